/**
 * Pictures of Label Studio for its guide: `node -C effect-segformer-source test/peers/annotation/pictures.ts` writes them anew. A real one is
 * started, a project made as the guide has it, our server connected, and what a person sees is taken by Chromium.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import sharp from "sharp"
import { Effect, References } from "effect"
import * as Warm from "../../support/Warm.ts"
import * as Studio from "./Studio.ts"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const config = `<View>
  <Image name="image" value="$image" zoom="true"/>
  <BrushLabels name="tag" toName="image">
    <Label value="Scratch" background="#ff7a45"/>
    <Label value="Dirt" background="#36cfc9" predicted_values="particle,stain,fiber"/>
  </BrushLabels>
</View>`

const keep = async (page: Page, name: string) => {
  // Pictures and brushes are drawn some time after the page is there.
  await page.waitForTimeout(6000)
  const png = await page.screenshot()
  await sharp(png).jpeg({ quality: 82, mozjpeg: true }).toFile(`${root}docs/images/${name}.jpg`)
}

const program = Effect.gen(function* () {
  Studio.prepare()
  const studio = yield* Studio.start
  const ours = yield* Studio.ours(studio, { minArea: 24 })
  const browser = yield* Warm.browser
  yield* Effect.promise(async () => {
    const { id } = await studio.api<Studio.Made>("POST", "/api/projects", {
      title: "Panels",
      label_config: config,
      show_collab_predictions: true
    })
    const form = new FormData()
    form.append("file", new Blob([readFileSync(`${root}docs/images/sample.jpg`)]), "sample.jpg")
    await studio.api("POST", `/api/projects/${id}/import`, form)
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    await page.goto(`${studio.url}/user/login/`)
    await page.fill("input[name=email]", "annotator@example.com")
    await page.fill("input[name=password]", "annotator-1")
    await Promise.all([
      page.waitForURL((at) => !at.pathname.includes("login")),
      page.click("button[type=submit]")
    ])
    await page.goto(`${studio.url}/projects/${id}/settings/ml`)
    await page.getByText("Connect Model").first().click()
    await page.fill("input[name=title]", "segformer")
    await page.fill("input[name=url]", "http://127.0.0.1:9090")
    await keep(page, "label-studio-connect")
    await Studio.connect(studio, id, ours.url, { title: "segformer" })
    await Studio.predict(studio, id)
    const [task] = await Studio.tasks(studio, id)
    await page.goto(`${studio.url}/projects/${id}/data?task=${task?.id}`)
    await page.getByText("By Time").waitFor()
    await keep(page, "label-studio-task")
  })
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"))

await Effect.runPromise(program)
process.exit(0)
