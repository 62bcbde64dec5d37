/** A result beside a mask of what is true, wherever the result comes from. */
import { assert } from "@effect/vitest"
import sharp from "sharp"
import { boardOf, colorAt, landed, type OnPage, sees, segment } from "./support.ts"

const mask = (value: (x: number, y: number) => number, width = 200, height = 100) =>
  sharp(
    Buffer.from(Array.from({ length: width * height }, (_, at) => value(at % width, Math.floor(at / width)))),
    { raw: { width, height, channels: 1 } }
  )
    .toColourspace("b-w")
    .png()
    .toBuffer()

export const comparing = (onPage: OnPage): void => {
  onPage("with a mask of what is true: scores, what does not count, and the worst places", async (page) => {
    await segment(page, "halves")
    // Sky is 1, road 2: right but for a block of 20 by 10, and a column that does not count.
    const truth = await mask((x, y) => (x >= 190 ? 255 : x >= 20 && x < 40 && y < 10 ? 2 : x < 100 ? 1 : 2))
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("combobox", { name: "Compare with" }).selectOption("truth")
    ])
    await chooser.setFiles({ name: "truth.png", mimeType: "image/png", buffer: truth })
    await page
      .locator("#agreement", { hasText: "98.9 % of the pixels are right; 1,000 pixels do not count" })
      .waitFor()
    const rows = await page.locator("#comparison tbody tr").allInnerTexts()
    assert.deepStrictEqual(
      rows.map((row) => row.replaceAll(/\s+/g, " ")),
      ["sky 0.9800", "road 0.9783", "mean 0.9791"].toSorted((a, b) =>
        a.startsWith("mean") ? 1 : a > b ? 1 : -1
      )
    )
    const worst = page.locator("#faults").getByRole("button")
    await worst.first().waitFor()
    await sees(async () => assert.deepStrictEqual(await worst.allInnerTexts(), ["1: 200 px at 20, 0"]))
    await worst.first().click()
    await landed(page)
    await sees(async () => assert.isAbove((await boardOf(page)).width, 1000))
    await page.getByLabel("as", { exact: true }).selectOption("difference")
    await page.locator("#zoom-fit").click()
    await page.locator("#divider").press("Home")
    await page.getByRole("slider", { name: "Overlay" }).fill("100")
    await sees(async () => {
      const [red, green] = await colorAt(page, 30 / 200, 5 / 100)
      assert.isAbove(red!, green! + 100)
    })
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.3, 0.5), [128, 128, 128]))
  })

  onPage("a mask of another picture says so, and takes nothing away", async (page) => {
    await segment(page, "halves")
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("combobox", { name: "Compare with" }).selectOption("truth")
    ])
    await chooser.setFiles({
      name: "other.png",
      mimeType: "image/png",
      buffer: await mask(() => 1, 50, 50)
    })
    await page.locator(".alert p", { hasText: "it is the mask of another" }).waitFor()
    await sees(async () => assert.strictEqual(await page.locator("#compare").inputValue(), ""))
    await sees(async () => assert.isTrue(await page.locator("#details").isVisible()))
  })

  onPage("takes a mask that is dropped on its place", async (page) => {
    await segment(page, "halves")
    const bytes = [...(await mask((x) => (x < 100 ? 1 : 2)))]
    await page.evaluate((bytes) => {
      const data = new DataTransfer()
      data.items.add(new File([Uint8Array.from(bytes)], "truth.png", { type: "image/png" }))
      const fire = (name: string, x: number, y: number) =>
        document.body.dispatchEvent(
          new DragEvent(name, {
            bubbles: true,
            cancelable: true,
            dataTransfer: data,
            clientX: x,
            clientY: y
          })
        )
      fire("dragover", 5, 5)
      const { bottom, left, right, top } = document.querySelector("#drop-truth")!.getBoundingClientRect()
      const [x, y] = [(left + right) / 2, (top + bottom) / 2]
      fire("dragover", x, y)
      fire("drop", x, y)
    }, bytes)
    await page.locator("#agreement", { hasText: "100 % of the pixels are right" }).waitFor()
  })
}
