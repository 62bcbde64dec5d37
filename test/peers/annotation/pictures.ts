/**
 * Pictures of Label Studio for its guide: `node -C effect-segformer-source test/peers/annotation/pictures.ts` writes them anew. A real one is
 * started, a project made as the guide has it, our server connected, and what a person sees is taken by Chromium.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
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
    await Promise.all([page.waitForURL(/projects/), page.click("button[type=submit]")])
    await page.goto(`${studio.url}/projects/${id}/settings/ml`)
    await page.waitForTimeout(4000)
    await page.screenshot({ path: `${root}coverage/ls-0.png` })
    await Studio.connect(studio, id, ours.url, { title: "segformer" })
    await page.goto(`${studio.url}/projects/${id}/settings/ml`)
    await page.waitForTimeout(4000)
    await page.screenshot({ path: `${root}coverage/ls-1.png` })
    await Studio.predict(studio, id)
    const [task] = await Studio.tasks(studio, id)
    await page.goto(`${studio.url}/projects/${id}/data?task=${task?.id}`)
    await page.waitForTimeout(8000)
    await page.screenshot({ path: `${root}coverage/ls-2.png` })
  })
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"))

await Effect.runPromise(program)
process.exit(0)
