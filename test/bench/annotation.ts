/**
 * Pictures of 12 megapixels for annotators: Label Studio's requests, a task each and four at once, whose pictures are fetched from
 * another server, predicted, and encoded as brushes; and CVAT's, which bring the picture along. Beside `segformer batch` with the same
 * model, which reads the pictures from a folder and writes label maps.
 *
 * Each way runs in a process of its own, and they take turns, as many pictures each time: what begins and ends with less than four at work
 * costs all the same. A ratio is the median of that of neighbours. At the end all of them are asked for again: the server has the memory
 * for results that `segformer serve` has unless told otherwise, and counts what it finds there.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { answer } from "./Child.ts"
import { median, type Report } from "./Report.ts"

/** A hundred pictures for Label Studio, and fifty for the others. */
const rounds = 5
const turns = ["labelstudio", "batch", "labelstudio", "cvat"] as const
const pictures = 10
const atOnce = 4
const [width, height] = [4000, 3000]

type Subject = (typeof turns)[number]

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

/** What it takes costs the machine that the server is on: answers are looked through as they come, and dropped. */
const agent = new Agent({ keepAlive: true })

/** Asks, and counts a word in the answer. */
const post = async (
  url: string,
  headers: Record<string, string>,
  body: string,
  word: string
): Promise<Answered> => {
  const asked = request(url, {
    method: "POST",
    agent,
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers }
  })
  asked.end(body)
  const [response] = await once(asked, "response")
  let bytes = 0
  let regions = 0
  let before: Buffer = Buffer.alloc(0)
  for await (const chunk of response as AsyncIterable<Buffer>) {
    // A word may lie across two chunks.
    const joint = Buffer.concat([before, chunk.subarray(0, word.length - 1)])
    regions += count(joint, word) + count(chunk, word)
    before = chunk.subarray(Math.max(0, chunk.length - word.length + 1))
    bytes += chunk.length
  }
  if (response.statusCode !== 200) throw new Error(`${url} answers ${response.statusCode}`)
  return { bytes, regions }
}

/** How often a word occurs. */
const count = (bytes: Buffer, word: string): number => {
  let found = 0
  for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1)) found++
  return found
}

/** The server's own count of what was found in its memory, and the bytes that it holds. */
const cache = async (url: string): Promise<{ readonly hits: number; readonly bytes: number }> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0)
  return {
    hits: value(/^segformer_cache_lookups_total\{segformer_outcome="hit"\} (\d+)$/m),
    bytes: value(/^segformer_cache_size_bytes (\d+)$/m)
  }
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
      return post(`${studio}/predict`, {}, body, '"type":"brushlabels"')
    }
    const functions = await (await fetch(`${cvat}/api/functions`)).json()
    const [masks = ""] = Object.keys(functions as object)
    const cvatHeaders = {
      "x-nuclio-function-name": masks,
      "x-nuclio-path": "/",
      "x-nuclio-project-name": "cvat"
    }
    const inCvat = (body: string): Promise<Answered> =>
      post(`${cvat}/api/function_invocations`, cvatHeaders, body, '"type":"mask"')
    const cvatBodies = (names: ReadonlyArray<string>) =>
      names.map((name) => JSON.stringify({ image: marked(base, name).toString("base64") }))

    const last: Record<"labelstudio" | "cvat", Answered> = {
      labelstudio: { bytes: 0, regions: 0 },
      cvat: { bytes: 0, regions: 0 }
    }
    /** Seconds. */
    const work = (subject: Subject, names: ReadonlyArray<string>): Promise<number> =>
      subject === "batch"
        ? inBatch(names)
        : subject === "cvat"
          ? timed(cvatBodies(names), async (body) => (last.cvat = await inCvat(body)))
          : timed(names, async (name) => (last.labelstudio = await inStudio(name)))

    const names = (subject: Subject, turn: number) =>
      Array.from({ length: pictures }, (_, i) => `${subject}/${turn}/${i}`)
    // Code and caches of the machine warm up on a few.
    for (const subject of ["batch", "labelstudio", "cvat"] as const)
      await work(subject, names(subject, -1).slice(0, atOnce))
    const measured: Array<{ readonly subject: Subject; readonly seconds: number }> = []
    const asked: Record<"labelstudio" | "cvat", Array<string>> = { labelstudio: [], cvat: [] }
    for (let turn = 0; turn < rounds * turns.length; turn++) {
      const subject = turns[turn % turns.length]!
      const own = names(subject, turn)
      if (subject !== "batch") asked[subject].push(...own)
      measured.push({ subject, seconds: await work(subject, own) })
    }

    const of = (subject: Subject) => measured.filter((turn) => turn.subject === subject)
    const rate = (subject: Subject) => median(of(subject).map(({ seconds }) => pictures / seconds))
    /** Each turn of a subject with the one of batch that is closest. */
    const ratio = (subject: Subject) =>
      median(
        measured.flatMap((turn, at) => {
          if (turn.subject !== subject) return []
          const near = [1, 2].flatMap((away) => [measured[at - away], measured[at + away]])
          const batch = near.find((other) => other?.subject === "batch")
          return batch === undefined ? [] : [batch.seconds / turn.seconds]
        })
      )
    const common = { bench: "annotation", case: "pictures of 12 megapixels" }
    const against = "segformer batch"
    const rates = { ...common, metric: "pictures a second", unit: "/s" }
    const called = { labelstudio: "labelstudio, brushes", cvat: "cvat, masks" } as const
    report({ ...rates, subject: against, value: rate("batch") })
    for (const subject of ["labelstudio", "cvat"] as const) {
      report({ ...rates, subject: called[subject], value: rate(subject), against, ratio: ratio(subject) })
      report({
        ...common,
        subject: called[subject],
        metric: "an answer",
        unit: "kB",
        value: last[subject].bytes / 1000
      })
      report({
        ...common,
        subject: called[subject],
        metric: "regions of a picture",
        unit: "",
        value: last[subject].regions
      })
    }
    // All of them once more, in the order in which they came.
    for (const subject of ["labelstudio", "cvat"] as const) {
      const url = subject === "cvat" ? cvat : studio
      const before = await cache(url)
      const seconds = await work(subject, asked[subject])
      const after = await cache(url)
      const again = { ...common, subject: `${called[subject]}, the same ${asked[subject].length} again` }
      report({
        ...again,
        metric: "pictures a second",
        unit: "/s",
        value: asked[subject].length / seconds,
        against: called[subject],
        ratio: asked[subject].length / seconds / rate(subject)
      })
      report({ ...again, metric: "answered from memory", unit: "", value: after.hits - before.hits })
      report({ ...again, metric: "memory for all", unit: "MB", value: after.bytes / 1e6 })
    }
  } finally {
    for (const child of children) child.kill()
    agent.destroy()
    store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
