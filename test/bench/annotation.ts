/**
 * Pictures of 12 megapixels for annotators: Label Studio's requests, a task each and four at once, whose pictures are fetched from
 * another server, predicted, and encoded as brushes; and CVAT's, which bring the picture along. Beside `segformer batch` with the same
 * model, which reads the pictures from a folder and writes label maps.
 *
 * Each way runs in a process of its own, and rounds alternate between them. Rates are medians over rounds, their ratio the median of that
 * of neighbouring rounds. No picture comes twice, but where the same ones are asked for again, which is what the cache is for.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { answer } from "./Child.ts"
import { median, type Report } from "./Report.ts"

const rounds = 5
/** Pictures of a round: a hundred in all for Label Studio. Of the same ones some are asked for again, right after. */
const pictures = { labelstudio: 20, batch: 8, cvat: 8, again: 4 }
const atOnce = 4
const [width, height] = [4000, 3000]

const labels = ["particle", "scratch", "stain", "fiber", "pit"].map((name) => `<Label value="${name}"/>`)
const label_config = `<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">${labels.join("")}</BrushLabels></View>`

/** The picture with something said in it that no other says: it shows the same, and is another file. */
const marked = (jpeg: Buffer, mark: string): Buffer => {
  const text = Buffer.from(mark)
  const head = Buffer.from([0xff, 0xfe, 0, text.length + 2])
  return Buffer.concat([jpeg.subarray(0, 2), head, text, jpeg.subarray(2)])
}

interface Answered {
  readonly bytes: number
  readonly regions: number
}

/** The answer's bytes. Nothing is read of them that costs: the machine is the server's. */
const post = async (url: string, headers: Record<string, string>, body: string): Promise<Buffer> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  if (!response.ok) throw new Error(`${response.status}: ${bytes.toString("utf8", 0, 300)}`)
  return bytes
}

/** How often a word occurs. */
const count = (bytes: Buffer, word: string): number => {
  let found = 0
  for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1)) found++
  return found
}

/** Asks for all, so many at once; gives seconds. */
const timed = async (
  names: ReadonlyArray<string>,
  ask: (name: string) => Promise<Answered>
): Promise<number> => {
  const left = names.toReversed()
  const started = performance.now()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) {
        const { regions } = await ask(name)
        if (regions === 0) throw new Error(`nothing was found in ${name}`)
      }
    })
  )
  return (performance.now() - started) / 1000
}

export const run = async (report: Report): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "segformer-bench-"))
  const children: Array<ChildProcess> = []
  const base = await sharp(fileURLToPath(new URL("../../src/server/page/assets/sample.jpg", import.meta.url)))
    .resize(width, height, { fit: "fill" })
    .jpeg({ quality: 90 })
    .toBuffer()
  // What Label Studio would keep.
  const store = createServer((request, response) => {
    const name = decodeURIComponent(request.url ?? "").slice(1)
    response.writeHead(200, { "content-type": "image/jpeg" }).end(marked(base, name))
  })
  try {
    store.listen(0, "127.0.0.1")
    await once(store, "listening")
    const { port } = store.address() as AddressInfo
    const start = async (subject: string): Promise<readonly [ChildProcess, string]> => {
      const script = fileURLToPath(new URL("./annotation/subject.ts", import.meta.url))
      const child = fork(script, [subject, String(port)], { execArgv: ["-C", "effect-segformer-source"] })
      children.push(child)
      return [child, String(await answer(child))]
    }
    const [batch] = await start("batch")
    const [, studio] = await start("labelstudio")
    const [, cvat] = await start("cvat")

    const inBatch = async (names: ReadonlyArray<string>): Promise<number> => {
      const source = join(folder, names[0]!.replaceAll("/", "-"))
      mkdirSync(source)
      for (const name of names)
        writeFileSync(join(source, `${name.replaceAll("/", "-")}.jpg`), marked(base, name))
      batch.send(source)
      const seconds = Number(await answer(batch))
      rmSync(source, { recursive: true, force: true })
      return seconds
    }
    const inStudio = async (name: string): Promise<Answered> => {
      const task = {
        id: 1,
        data: { image: `http://127.0.0.1:${port}/${name}` },
        annotations: [],
        predictions: []
      }
      const params = { login: null, password: null, context: null }
      const body = JSON.stringify({ tasks: [task], project: "1.1", label_config, params })
      const bytes = await post(`${studio}/predict`, {}, body)
      return { bytes: bytes.length, regions: count(bytes, '"type":"brushlabels"') }
    }
    const functions = await (await fetch(`${cvat}/api/functions`)).json()
    const [masks = ""] = Object.keys(functions as object)
    const cvatHeaders = {
      "x-nuclio-function-name": masks,
      "x-nuclio-path": "/",
      "x-nuclio-project-name": "cvat"
    }
    const inCvat = async (body: string): Promise<Answered> => {
      const bytes = await post(`${cvat}/api/function_invocations`, cvatHeaders, body)
      return { bytes: bytes.length, regions: count(bytes, '"type":"mask"') }
    }
    const cvatBodies = (names: ReadonlyArray<string>) =>
      names.map((name) => JSON.stringify({ image: marked(base, name).toString("base64") }))

    const names = (subject: keyof typeof pictures, round: number) =>
      Array.from({ length: pictures[subject] }, (_, i) => `${subject}/${round}/${i}`)
    const measured: Record<"batch" | "labelstudio" | "cvat" | "again", Array<number>> = {
      batch: [],
      labelstudio: [],
      cvat: [],
      again: []
    }
    // Code and caches of the machine warm up on a few.
    await inBatch(names("batch", -1).slice(0, 4))
    await timed(names("labelstudio", -1).slice(0, 4), inStudio)
    await timed(cvatBodies(names("cvat", -1).slice(0, 4)), inCvat)
    let last: Answered = { bytes: 0, regions: 0 }
    for (let round = 0; round < rounds; round++) {
      measured.batch.push(await inBatch(names("batch", round)))
      const own = names("labelstudio", round)
      measured.labelstudio.push(await timed(own, async (name) => (last = await inStudio(name))))
      measured.again.push(await timed(own.slice(-pictures.again), inStudio))
      if (round >= rounds - 2) measured.cvat.push(await timed(cvatBodies(names("cvat", round)), inCvat))
    }
    const rate = (subject: keyof typeof measured) =>
      median(measured[subject].map((seconds) => pictures[subject] / seconds))
    const ratio = (subject: keyof typeof measured, against: keyof typeof measured) => {
      const offset = measured[against].length - measured[subject].length
      const times = pictures[subject] / pictures[against]
      return median(measured[subject].map((seconds, i) => (times * measured[against][i + offset]!) / seconds))
    }
    const common = {
      bench: "annotation",
      case: "pictures of 12 megapixels",
      metric: "pictures a second",
      unit: "/s"
    }
    const against = "segformer batch"
    report({ ...common, subject: against, value: rate("batch") })
    report({
      ...common,
      subject: "labelstudio, brushes",
      value: rate("labelstudio"),
      against,
      ratio: ratio("labelstudio", "batch")
    })
    report({ ...common, subject: "cvat, masks", value: rate("cvat"), against, ratio: ratio("cvat", "batch") })
    report({
      ...common,
      subject: "labelstudio, the same pictures again",
      value: rate("again"),
      against: "labelstudio, brushes",
      ratio: ratio("again", "labelstudio")
    })
    report({
      ...common,
      subject: "labelstudio, brushes",
      metric: "an answer",
      unit: "kB",
      value: last.bytes / 1000
    })
    report({
      ...common,
      subject: "labelstudio, brushes",
      metric: "regions of a picture",
      unit: "",
      value: last.regions
    })
  } finally {
    for (const child of children) child.kill()
    store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
