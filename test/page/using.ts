/** What people do with the page, wherever its answers come from: images go in, and are looked at. */
import { assert } from "@effect/vitest"
import type { Page } from "playwright-core"
import sharp from "sharp"
import { boardOf, colorAt, expected, grey, type OnPage, phone, pointAt, sees, segment } from "./support.ts"

const statusOf = (page: Page) => page.locator("#status").textContent()

const compare = (page: Page) => page.getByRole("combobox", { name: "Compare with" })

/** An image given to the page as a browser would by dragging or pasting. */
const give = (page: Page, how: "drop" | "paste", name: string, bytes: Uint8Array | undefined) =>
  page.evaluate(
    ({ bytes, how, name }) => {
      const data = new DataTransfer()
      if (bytes !== undefined) data.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/png" }))
      const options = { bubbles: true, cancelable: true }
      if (how === "paste") {
        document.body.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }))
        return
      }
      document.body.dispatchEvent(new DragEvent("dragover", { ...options, dataTransfer: data }))
      document.body.dispatchEvent(new DragEvent("drop", { ...options, dataTransfer: data }))
    },
    { how, name, bytes: bytes === undefined ? undefined : [...bytes] }
  )

export const using = (onPage: OnPage): void => {
  onPage("that is chosen", async (page) => {
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Choose an image" }).click()
    ])
    await chooser.setFiles({ name: "chosen.png", mimeType: "image/png", buffer: grey })
    await page.getByRole("heading", { name: "chosen.png" }).waitFor()
    await page.locator("#details").waitFor()
  })

  onPage(
    "that is photographed, on a phone",
    async (page) => {
      const [chooser] = await Promise.all([
        page.waitForEvent("filechooser"),
        page.getByRole("button", { name: "Take a photo" }).click()
      ])
      assert.strictEqual(await chooser.element().getAttribute("capture"), "environment")
      await chooser.setFiles({ name: "photo.png", mimeType: "image/png", buffer: grey })
      await page.locator("#details").waitFor()
    },
    phone
  )

  onPage("that is dropped, and says so while it hovers", async (page) => {
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File(["x"], "x.png"))
      document.body.dispatchEvent(new DragEvent("dragover", { bubbles: true, dataTransfer }))
    })
    await sees(async () => assert.isTrue(await page.getByText("Drop it to segment it").isVisible()))
    await give(page, "drop", "dropped.png", grey)
    await page.getByRole("heading", { name: "dropped.png" }).waitFor()
    await sees(async () => assert.isFalse(await page.getByText("Drop it to segment it").isVisible()))
    await page.locator("#details").waitFor()
  })

  onPage("that is pasted; what is no image is told apart", async (page) => {
    await give(page, "paste", "", undefined)
    await sees(async () =>
      assert.match((await page.getByRole("alert").textContent())!, /There is no image in the clipboard/)
    )
    await give(page, "paste", "pasted.png", grey)
    await page.getByRole("heading", { name: "pasted.png" }).waitFor()
    await page.locator("#details").waitFor()
    await sees(async () => assert.isFalse(await page.getByRole("alert").isVisible()))
  })

  onPage("with any name, which stays text", async (page) => {
    const name = `<img src=x onerror="document.title='broken'">.png`
    await segment(page, "halves", name)
    await sees(async () => assert.strictEqual(await page.locator("#work-title").textContent(), name))
    await sees(async () => assert.strictEqual(await page.locator("#work img").count(), 0))
  })

  onPage("one after the other, and frees the one before", async (page) => {
    await page.evaluate(() => {
      const { close } = ImageBitmap.prototype
      const open = globalThis.createImageBitmap
      const count = (name: string) => {
        document.body.dataset[name] = String(Number(document.body.dataset[name] ?? 0) + 1)
      }
      ImageBitmap.prototype.close = function () {
        count("closed")
        close.call(this)
      }
      globalThis.createImageBitmap = async (image: ImageBitmapSource) => {
        count("opened")
        return open(image)
      }
    })
    for (const name of ["one.png", "two.png", "three.png"]) await segment(page, "halves", name)
    // Small ones of the strip are made beside.
    await sees(async () => {
      const { closed, opened } = await page.evaluate(() => ({ ...document.body.dataset }))
      assert.isAtLeast(Number(opened), 3)
      assert.strictEqual(Number(opened) - Number(closed), 1)
    })
  })

  onPage("class and confidence under the pointer", async (page) => {
    await segment(page, "halves")
    await pointAt(page, 0.25, 0.5)
    await sees(async () =>
      assert.match((await page.locator("#pill").textContent())!, /^sky, 90 %\s*(49|50), 50$/)
    )
    await pointAt(page, 0.75, 0.5)
    await sees(async () => assert.match((await page.locator("#pill").textContent())!, /^road, 50 %/))
    await page.mouse.move(2, 2)
    await sees(async () => assert.isFalse(await page.locator("#pill").isVisible()))
  })

  onPage("the overlay as strongly as one wants", async (page) => {
    await segment(page, "halves")
    const slider = page.getByRole("slider", { name: "Overlay" })
    await slider.fill("0")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [128, 128, 128]))
    await slider.fill("100")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [255, 0, 0]))
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255]))
    await slider.fill("50")
    await sees(async () => {
      const [red, , blue] = await colorAt(page, 0.25, 0.5)
      assert.closeTo(red!, 192, 2)
      assert.closeTo(blue!, 64, 2)
    })
  })

  onPage("one class alone, picked in the table or in the picture, until Escape", async (page) => {
    await segment(page, "halves")
    const before = await colorAt(page, 0.75, 0.5)
    const sky = page.locator("#classes").getByRole("button", { name: "sky", exact: true })
    await sky.click()
    await page.mouse.move(2, 2)
    await sees(async () => assert.strictEqual(await sky.getAttribute("aria-pressed"), "true"))
    await sees(async () => assert.strictEqual(await statusOf(page), "Only sky is shown"))
    await sees(async () => {
      const dimmed = await colorAt(page, 0.75, 0.5)
      assert.deepStrictEqual([dimmed[0], dimmed[1]], [dimmed[1], dimmed[2]])
      assert.isBelow(dimmed[0]!, 64)
    })
    await page.keyboard.press("Escape")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), before))
    await sees(async () => assert.strictEqual(await sky.getAttribute("aria-pressed"), "false"))
    await pointAt(page, 0.75, 0.5)
    await page.mouse.down()
    await page.mouse.up()
    await sees(async () => assert.strictEqual(await statusOf(page), "Only road is shown"))
    await page.getByRole("button", { name: "Show all" }).click()
    await sees(async () => assert.strictEqual(await statusOf(page), "All classes are shown"))
  })

  onPage("a region while its row is pointed at", async (page) => {
    await segment(page, "halves")
    const before = await colorAt(page, 0.25, 0.5)
    await page.mouse.move(2, 2)
    await page.locator("#regions").getByRole("button", { name: /^road/ }).hover()
    await sees(async () => assert.isBelow((await colorAt(page, 0.25, 0.5))[0]!, before[0]!))
    await page.mouse.move(2, 2)
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), before))
  })

  onPage("a picture turned as its file says", async (page) => {
    const turned = await sharp(grey).withMetadata({ orientation: 6 }).jpeg().toBuffer()
    await segment(page, "halves", "turned.jpg", turned)
    await sees(async () => assert.include(await page.locator("#work-meta").textContent(), "100 × 200"))
  })

  onPage("a WebP as its EXIF says, which browsers pass over", async (page) => {
    const left = { create: { width: 100, height: 100, channels: 3, background: "#c80000" } } as const
    const turned = await sharp({ create: { ...left.create, width: 200, background: "#0000c8" } })
      .composite([{ input: await sharp(left).png().toBuffer(), left: 0, top: 0 }])
      .webp({ lossless: true })
      .withMetadata({ orientation: 3 })
      .toBuffer()
    await segment(page, "halves", "turned.webp", turned)
    await page.getByRole("slider", { name: "Overlay" }).fill("0")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [0, 0, 200]))
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [200, 0, 0]))
  })

  onPage("two models, side by side at a divider that is dragged or moved by keys", async (page) => {
    await segment(page, "halves")
    await page.getByRole("slider", { name: "Overlay" }).fill("100")
    await compare(page).selectOption("model:layers")
    const divider = page.getByRole("slider", { name: "Divider between halves and layers" })
    await divider.waitFor()
    // Sky above and road below on the right, where `halves` has road.
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.25), [255, 0, 0]))
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.75), [255, 0, 0]))
    await sees(async () =>
      assert.match((await page.locator("#agreement").textContent())!, /agree on 50\.0 %/)
    )
    await sees(async () =>
      assert.deepStrictEqual(await page.locator("#classes thead th").allInnerTexts(), [
        "Class",
        "halves",
        "layers",
        "How it is shown"
      ])
    )
    await divider.press("End")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.25), [0, 0, 255]))
    await divider.press("Home")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.75), [0, 0, 255]))
    await divider.press("PageUp")
    await sees(async () => assert.strictEqual(await divider.getAttribute("aria-valuenow"), "10"))
    const box = await boardOf(page)
    await page.mouse.move(box.x + box.width * 0.1, box.y + 30)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.8, box.y + 30, { steps: 5 })
    await page.mouse.up()
    await sees(async () => assert.strictEqual(await divider.getAttribute("aria-valuenow"), "80"))
    await compare(page).selectOption("")
    await sees(async () => assert.isFalse(await divider.isVisible()))
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.25), [0, 0, 255]))
  })

  onPage("a model with the picture alone", async (page) => {
    await segment(page, "halves")
    await compare(page).selectOption("picture")
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [128, 128, 128]))
    await pointAt(page, 0.75, 0.4)
    await sees(async () => assert.isFalse(await page.locator("#pill").isVisible()))
  })

  onPage("another model when one is picked, with the same image", async (page) => {
    await segment(page, "halves")
    await page.getByRole("combobox", { name: "Model" }).selectOption("layers")
    await page.locator("#work-meta", { hasText: "layers" }).waitFor()
    await pointAt(page, 0.75, 0.25)
    await sees(async () => assert.match((await page.locator("#pill").textContent())!, /^sky/))
  })

  onPage(
    "that a file is no image",
    async (page) => {
      await page.setInputFiles("#file", {
        name: "notes.txt",
        mimeType: "text/plain",
        buffer: Buffer.from("to do")
      })
      await page.locator(".alert p", { hasText: "notes.txt is not an image" }).waitFor()
      await sees(async () => assert.match((await page.locator(".alert p").textContent())!, /\.$/))
      await sees(async () =>
        assert.isFalse(await page.getByRole("button", { name: "Try again" }).isVisible())
      )
      await page.getByRole("button", { name: "Dismiss" }).click()
      await sees(async () => assert.isFalse(await page.getByRole("alert").isVisible()))
      await sees(async () =>
        assert.isTrue(await page.getByRole("button", { name: "Choose an image" }).isVisible())
      )
    },
    { expected }
  )
}
