/** What the page keeps in the browser: across visits, reloads in the middle, and tabs. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Needs from "../support/Needs.ts"
import {
  colorAt,
  desktop,
  ended,
  expected,
  kept,
  names,
  PageServer,
  png,
  sees,
  segment,
  visit
} from "./support.ts"

describe.skipIf(Needs.chromium === undefined)("the page keeps", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1], options?: Parameters<typeof visit>[2]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use, options)))

    onPage("shows what was there before a reload, until it is forgotten", async (page) => {
      await segment(page, "halves", "one.png")
      await page.setInputFiles("#file", png("two.png"))
      await page.getByRole("heading", { name: "two.png" }).waitFor()
      await ended(page)
      await kept(page)
      let asked = 0
      page.on("request", (request) => (asked += request.url().includes("/v1/segment") ? 1 : 0))
      await page.reload()
      await page.getByRole("heading", { name: "two.png" }).waitFor()
      await page.locator("#details").waitFor()
      await page.locator(".thumb").first().click()
      await page.getByRole("heading", { name: "one.png" }).waitFor()
      await page.locator("#details").waitFor()
      await sees(async () => {
        const [red, , blue] = await colorAt(page, 0.25, 0.5)
        assert.isAbove(red!, blue!)
      })
      assert.strictEqual(asked, 0)
      await page.getByRole("button", { name: "Remove one.png" }).click()
      await page.getByRole("heading", { name: "two.png" }).waitFor()
      await page.getByRole("button", { name: "New image" }).waitFor()
      await page.setInputFiles("#file", png("three.png"))
      await page.getByRole("heading", { name: "three.png" }).waitFor()
      await page.getByRole("button", { name: "Forget all" }).click()
      await page.getByRole("button", { name: "Choose an image" }).waitFor()
      await kept(page)
      await page.reload()
      await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
      await sees(async () => assert.strictEqual(await page.locator(".thumb").count(), 0))
    })

    onPage(
      "goes on after a reload with what waited, and tells again what failed",
      async (page) => {
        await page.selectOption("#model", "halves")
        await page.setInputFiles("#file", png("no.png", Buffer.from("no image")))
        await page.locator(".thumb[data-state=failed]").waitFor()
        let isHeld = true
        await page.route("**/v1/segment*", (route) => (isHeld ? undefined : route.continue()))
        await page.setInputFiles("#file", [png("one.png"), png("two.png")])
        await page.locator(".thumb[data-state=working]").waitFor()
        await kept(page)
        // Not by `unroute`, which lets go of what is held: it may be answered before the page is left.
        isHeld = false
        await page.reload()
        await page.getByRole("heading", { name: "one.png" }).waitFor()
        await page.locator("#details").waitFor()
        await page.waitForFunction(() => document.querySelectorAll(".thumb[data-state=done]").length === 2)
        await sees(async () => assert.match((await page.locator("#work-meta").textContent())!, /halves/))
        await sees(async () => {
          const [no, ...rest] = await names(page)
          assert.match(no!, /^no\.png, .*not an image/)
          assert.deepStrictEqual(rest, ["one.png, done", "two.png, done"])
        })
      },
      { ...desktop, expected }
    )

    onPage(
      "tells again what failed while it was first written to the store",
      async (page) => {
        await page.evaluate(() => {
          const put = IDBObjectStore.prototype.put
          IDBObjectStore.prototype.put = function (...args) {
            const request = put.apply(this, args)
            // A transaction that is asked for more does not end.
            const hold = () => {
              if (document.querySelector(".thumb[data-state=failed]") === null)
                this.count().addEventListener("success", hold)
            }
            hold()
            return request
          }
        })
        await page.setInputFiles("#file", [png("no.png", Buffer.from("no image")), png("one.png")])
        await ended(page)
        await kept(page)
        let asked = 0
        page.on("request", (request) => (asked += request.url().includes("/v1/segment") ? 1 : 0))
        await page.reload()
        await page.locator(".thumb[aria-label='one.png, done']").waitFor()
        assert.match((await names(page))[0]!, /^no\.png, .*not an image/)
        assert.strictEqual(asked, 0)
      },
      { ...desktop, expected }
    )

    onPage("lets its store be removed, and keeps what comes next in a new one", async (page) => {
      await segment(page, "halves", "one.png")
      await kept(page)
      const removed = await page.evaluate(
        () =>
          new Promise<string>((resolve) => {
            const request = indexedDB.deleteDatabase("segformer")
            for (const name of ["success", "blocked", "error"])
              request.addEventListener(name, () => resolve(name))
          })
      )
      assert.strictEqual(removed, "success")
      await page.setInputFiles("#file", png("two.png"))
      await page.getByRole("heading", { name: "two.png" }).waitFor()
      await ended(page)
      await kept(page, 1)
      await page.reload()
      await page.getByRole("heading", { name: "two.png" }).waitFor()
    })

    onPage("leaves what another tab works on to it", async (page) => {
      await page.route("**/v1/segment*", () => {})
      await page.setInputFiles("#file", [png("one.png"), png("two.png")])
      await kept(page)
      const other = await page.context().newPage()
      try {
        let asked = 0
        other.on("request", (request) => (asked += request.url().includes("/v1/segment") ? 1 : 0))
        await other.addInitScript(() => sessionStorage.setItem("begun", ""))
        await other.goto(new URL("/", page.url()).href)
        await other.locator("#model option[value=halves]").waitFor({ state: "attached" })
        await other.setInputFiles("#file", png("three.png"))
        await other.getByRole("heading", { name: "three.png" }).waitFor()
        await other.locator("#details").waitFor()
        await sees(async () => assert.deepStrictEqual(await names(other), ["three.png, done"]))
        assert.strictEqual(asked, 1)
        // Once that tab is gone, it is anyone's.
        await page.close()
        await other.reload()
        await other.waitForFunction(() => document.querySelectorAll(".thumb[data-state=done]").length === 3)
      } finally {
        await other.close()
      }
    })

    onPage("asks before what waits is lost, where the browser keeps nothing", async (page) => {
      await page.evaluate(() => {
        IDBObjectStore.prototype.put = () => {
          throw new DOMException("full", "QuotaExceededError")
        }
      })
      const leaves = () => page.evaluate(() => dispatchEvent(new Event("beforeunload", { cancelable: true })))
      assert.isTrue(await leaves())
      await page.route("**/v1/segment*", () => {})
      await page.setInputFiles("#file", png("one.png"))
      await page.locator("#progress").waitFor()
      assert.isFalse(await leaves())
      await page.getByRole("button", { name: "Cancel" }).click()
      assert.isTrue(await leaves())
    })
  })
})
