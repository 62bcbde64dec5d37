/** Label Studio with our server as its model: what it stores and exports are our label maps. */
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted, Result } from "effect"
import { unzipSync } from "fflate"
import { BrushRle } from "effect-segformer/annotation"
import { LabelPng, Npy } from "effect-segformer/mask"
import { ask } from "../../server/support.ts"
import * as Peer from "../Peer.ts"
import * as Pictures from "../Pictures.ts"
import * as Studio from "./Studio.ts"

const names = Pictures.pictures.slice(0, 3).map(({ name }) => name)
const idOf = (label: string) => Pictures.classes.find(({ name }) => name === label)?.id ?? 255

/** What the model makes of a picture, as class ids. */
const expected = (name: string) =>
  Effect.map(Pictures.known, (known) => {
    const map = known.get(name)
    assert.ok(map)
    return map
  })

/** Masks over each other, each with its label; fails where two are of one pixel. */
const joined = (
  size: number,
  masks: ReadonlyArray<{ readonly label: string; readonly data: ArrayLike<number> }>
): ReadonlyArray<number> => {
  const map = Array.from({ length: size }, () => 0)
  for (const { data, label } of masks) {
    assert.equal(data.length, size)
    for (let at = 0; at < size; at++) {
      if (data[at] === 0) continue
      assert.equal(map[at], 0, "two masks of one pixel")
      map[at] = idOf(label)
    }
  }
  return map
}

const same = (found: ReadonlyArray<number>, { data }: { readonly data: ArrayLike<number> }, name: string) => {
  assert.equal(found.length, data.length, name)
  const differing = found.filter((id, at) => id !== data[at]).length
  assert.equal(differing, 0, `${name}: ${differing} pixels differ`)
}

/** Whether the centre of a pixel lies within a ring, by how often a line to its left crosses it. */
const isWithin = (ring: ReadonlyArray<number>, x: number, y: number): boolean => {
  let inside = false
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [x0, y0, x1, y1] = [ring[i]!, ring[i + 1]!, ring[j]!, ring[j + 1]!]
    if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) inside = !inside
  }
  return inside
}

const filled = (ring: ReadonlyArray<number>, width: number, height: number): Uint8Array => {
  const data = new Uint8Array(width * height)
  const xs = ring.filter((_, at) => at % 2 === 0)
  const ys = ring.filter((_, at) => at % 2 === 1)
  for (let y = Math.max(0, Math.floor(Math.min(...ys))); y < Math.min(height, Math.max(...ys)); y++)
    for (let x = Math.max(0, Math.floor(Math.min(...xs))); x < Math.min(width, Math.max(...xs)); x++)
      if (isWithin(ring, x + 0.5, y + 0.5)) data[y * width + x] = 1
  return data
}

/** A project of uploads that our server has predicted. */
const predicted = Effect.fnUntraced(function* (studio: Studio.Studio, tag: string) {
  const { url } = yield* Studio.ours(studio)
  return yield* Effect.promise(async () => {
    const id = await Studio.project(studio, tag)
    await Studio.upload(studio, id, names)
    const { readable_state: state } = await Studio.connect(studio, id, url)
    assert.equal(state, "Connected")
    await Studio.predict(studio, id)
    const tasks = await Studio.tasks(studio, id)
    assert.deepEqual(
      tasks.map(({ predictions }) => predictions.length),
      names.map(() => 1)
    )
    for (const { predictions } of tasks) assert.match(predictions[0]!.model_version, /^bundled-[0-9a-f]{8}$/)
    return { id, tasks }
  })
})

const brushes = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { id, tasks } = yield* predicted(studio, "BrushLabels")
  const files = unzipSync(yield* Effect.promise(() => Studio.exported(studio, id, "BRUSH_TO_NUMPY")))
  for (const [index, name] of names.entries()) {
    const map = yield* expected(name)
    const masks = Object.entries(files).flatMap(([file, bytes]) => {
      const [, task, label = ""] = /^task-(\d+)-.*-tag-([a-z]+)-\d+\.npy$/.exec(file) ?? []
      return Number(task) === tasks[index]?.id
        ? [{ label, data: Result.getOrThrow(Npy.decode(bytes)).data }]
        : []
    })
    same(joined(map.data.length, masks), map, name)
  }
})

interface Coco {
  readonly images: ReadonlyArray<
    Studio.Made & { readonly file_name: string; readonly width: number; readonly height: number }
  >
  readonly categories: ReadonlyArray<Studio.Made & { readonly name: string }>
  readonly annotations: ReadonlyArray<{
    readonly image_id: number
    readonly category_id: number
    readonly segmentation: ReadonlyArray<ReadonlyArray<number>>
    readonly bbox: ReadonlyArray<number>
  }>
}

const cocoOf = async (studio: Studio.Studio, id: number): Promise<Coco> => {
  const files = unzipSync(await Studio.exported(studio, id, "COCO"))
  return JSON.parse(new TextDecoder().decode(files["result.json"]))
}

const polygons = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { id } = yield* predicted(studio, "PolygonLabels")
  const coco = yield* Effect.promise(() => cocoOf(studio, id))
  for (const name of names) {
    const map = yield* expected(name)
    const image = coco.images.find(({ file_name: file }) => file.endsWith(`-${name}`))
    assert.deepEqual([image?.width, image?.height], [map.width, map.height])
    const masks = coco.annotations
      .filter((one) => one.image_id === image?.id)
      .map(({ category_id: category, segmentation }) => ({
        label: coco.categories.find(({ id }) => id === category)?.name ?? "",
        data: filled(segmentation[0] ?? [], map.width, map.height)
      }))
    same(joined(map.data.length, masks), map, name)
  }
})

const bitmasks = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { tasks } = yield* predicted(studio, "BitmaskLabels")
  for (const [index, name] of names.entries()) {
    const map = yield* expected(name)
    const masks = tasks[index]!.predictions[0]!.result.map(({ value }) => {
      const png = Buffer.from(String(value["imageDataURL"]).replace(/^data:image\/png;base64,/, ""), "base64")
      return {
        label: String(value["bitmasklabels"]),
        data: Result.getOrThrow(LabelPng.decodeAlpha(png)).data
      }
    })
    same(joined(map.data.length, masks), map, name)
  }
})

const boxes = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { id, tasks } = yield* predicted(studio, "RectangleLabels")
  const coco = yield* Effect.promise(() => cocoOf(studio, id))
  assert.equal(
    coco.annotations.length,
    tasks.reduce((sum, { predictions }) => sum + predictions[0]!.result.length, 0)
  )
  for (const { bbox } of coco.annotations)
    for (const side of bbox) assert.ok(Math.abs(side - Math.round(side)) < 1e-3, String(side))
})

const failing = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { url } = yield* Studio.ours(studio)
  const counts = yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, id, names.slice(0, 1))
    await studio.api("POST", `/api/projects/${id}/import`, [
      { image: "/data/upload/1/nobody-has-it.png" },
      { image: "http://127.0.0.1:9/private.png" }
    ])
    await Studio.upload(studio, id, names.slice(1, 2))
    await Studio.connect(studio, id, url)
    await Studio.predict(studio, id)
    const tasks = await Studio.tasks(studio, id)
    return tasks.map(({ predictions }) => predictions.map(({ result }) => result.length > 0))
  })
  assert.deepEqual(counts, [[true], [false], [false], [true]])
})

const keys = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const wrong = yield* Studio.ours(studio, { key: Redacted.make("f".repeat(40)) })
  const right = yield* Studio.ours(studio)
  yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, id, names.slice(0, 1))
    const { id: model } = await Studio.connect(studio, id, wrong.url)
    await Studio.predict(studio, id)
    const none = await Studio.tasks(studio, id)
    assert.deepEqual(
      none.map(({ predictions }) => predictions.length),
      [0]
    )
    await studio.api("PATCH", `/api/ml/${model}`, { project: id, url: right.url })
    await Studio.predict(studio, id)
    const one = await Studio.tasks(studio, id)
    assert.deepEqual(
      one.map(({ predictions }) => predictions.length),
      [1]
    )
  })
})

const passwords = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { url } = yield* Studio.ours(studio, {}, { tokens: [Redacted.make("a-token-of-ours")] })
  yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, id, names.slice(0, 1))
    const basic = (basic_auth_pass: string) => ({
      auth_method: "BASIC_AUTH",
      basic_auth_user: "studio",
      basic_auth_pass
    })
    await assert.rejects(Studio.connect(studio, id, url, basic("another")), / 400 /)
    await assert.rejects(Studio.connect(studio, id, url), / 400 /)
    const { readable_state: state } = await Studio.connect(studio, id, url, basic("a-token-of-ours"))
    assert.equal(state, "Connected")
    await Studio.predict(studio, id)
    const tasks = await Studio.tasks(studio, id)
    assert.deepEqual(
      tasks.map(({ predictions }) => predictions.length),
      [1]
    )
  })
})

const personal = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { token } = yield* Effect.promise(async () => {
    await studio.api("POST", "/api/jwt/settings", {
      api_tokens_enabled: true,
      legacy_api_tokens_enabled: true
    })
    return studio.api<{ readonly token: string }>("POST", "/api/token/", {})
  })
  const { url } = yield* Studio.ours(studio, { key: Redacted.make(token) })
  yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, id, names.slice(0, 2))
    await Studio.connect(studio, id, url)
    await Studio.predict(studio, id)
    const tasks = await Studio.tasks(studio, id)
    assert.deepEqual(
      tasks.map(({ predictions }) => predictions.map(({ result }) => result.length > 0)),
      [[true], [true]]
    )
  })
})

const local = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { url } = yield* Studio.ours(studio)
  const tasks = yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    writeFileSync(join(studio.folder, "no picture.txt"), "text")
    const storage = await studio.api<Studio.Made>("POST", "/api/storages/localfiles/", {
      project: id,
      title: "panels",
      path: studio.folder,
      use_blob_urls: true,
      regex_filter: ".*(png|jpg)"
    })
    await studio.api("POST", `/api/storages/localfiles/${storage.id}/sync`, {})
    await Studio.connect(studio, id, url)
    await Studio.predict(studio, id)
    return Studio.tasks(studio, id)
  })
  assert.equal(tasks.length, Pictures.pictures.length)
  for (const { data, predictions } of tasks) {
    assert.match(data.image, /^\/data\/local-files\/\?d=/)
    assert.equal(predictions.length, 1)
    assert.ok(predictions[0]!.result.length > 0)
  }
})

const clicks = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { url } = yield* Studio.ours(studio)
  const name = names[1]!
  const map = yield* expected(name)
  const at = map.data.findIndex((id) => id !== 0)
  const [x, y] = [(at % map.width) + 0.5, Math.floor(at / map.width) + 0.5]
  const label = Pictures.classes.find(({ id }) => id === map.data[at])?.name ?? ""
  const { data } = yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, id, [name])
    const model = await Studio.connect(studio, id, url, { is_interactive: true })
    const [task] = await Studio.tasks(studio, id)
    return studio.api<{ readonly data: { readonly result: Studio.Task["predictions"][number]["result"] } }>(
      "POST",
      `/api/ml/${model.id}/interactive-annotating`,
      {
        task: task?.id,
        context: {
          result: [
            {
              id: "click",
              type: "keypointlabels",
              from_name: "tag",
              to_name: "image",
              is_positive: true,
              original_width: map.width,
              original_height: map.height,
              value: {
                x: (x / map.width) * 100,
                y: (y / map.height) * 100,
                width: 0.3,
                keypointlabels: [label]
              }
            }
          ]
        }
      }
    )
  })
  assert.equal(data.result.length, 1)
  const { rle } = data.result[0]!.value
  assert.ok(Array.isArray(rle))
  const mask = Result.getOrThrow(BrushRle.decode(rle, map))
  assert.equal(mask.data[at], 1)
  assert.ok(mask.data.every((inside, i) => inside === 0 || map.data[i] === map.data[at]))
})

/** A task of three pages, by the configuration that Label Studio's own template for documents has. */
const repeated = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { url } = yield* Studio.ours(studio)
  const labels = Pictures.classes.map(({ name }) => `<Label value="${name}"/>`).join("")
  const label_config = `<View><Repeater on="$document" indexFlag="{{idx}}" mode="pagination">
    <Image name="page_{{idx}}" value="$document[{{idx}}].page"/>
    <BrushLabels name="labels_{{idx}}" toName="page_{{idx}}">${labels}</BrushLabels></Repeater></View>`
  const tasks = yield* Effect.promise(async () => {
    const uploads = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, uploads, names)
    const document = (await Studio.tasks(studio, uploads)).map(({ data }) => ({ page: data.image }))
    const { id } = await studio.api<Studio.Made>("POST", "/api/projects", { title: "pages", label_config })
    await studio.api("POST", `/api/projects/${id}/import`, [{ document }])
    await Studio.connect(studio, id, url)
    await Studio.predict(studio, id)
    return Studio.tasks(studio, id)
  })
  assert.equal(tasks.length, 1)
  const result = tasks[0]!.predictions[0]!.result
  for (const [index, name] of names.entries()) {
    const map = yield* expected(name)
    const masks = result
      .filter((region) => region.to_name === `page_${index}` && region.from_name === `labels_${index}`)
      .map(({ value }) => {
        const { brushlabels, rle } = value
        assert.ok(Array.isArray(rle))
        return { label: String(brushlabels), data: Result.getOrThrow(BrushRle.decode(rle, map)).data }
      })
    same(joined(map.data.length, masks), map, name)
  }
})

const many = Effect.fnUntraced(function* (studio: Studio.Studio) {
  const { url } = yield* Studio.ours(studio)
  const { lookups, stored } = yield* Effect.promise(async () => {
    const id = await Studio.project(studio, "BrushLabels")
    await Studio.upload(studio, id, names)
    const own = (await Studio.tasks(studio, id)).map(({ data }) => ({ image: data.image }))
    await studio.api(
      "POST",
      `/api/projects/${id}/import`,
      Array.from({ length: 497 }, (_, i) => own[i % own.length])
    )
    await Studio.connect(studio, id, url)
    await Studio.predict(studio, id)
    const found = await Studio.tasks(studio, id)
    // Asked again, nothing is new.
    await Studio.predict(studio, id)
    const again = await Studio.tasks(studio, id)
    assert.deepEqual(
      again.map(({ predictions }) => predictions.length),
      found.map(() => 1)
    )
    const metrics = await Effect.runPromise(ask(`${url}/metrics`))
    return { stored: found, lookups: metrics.body.toString() }
  })
  assert.equal(stored.length, 500)
  for (const [i, { predictions }] of stored.entries()) {
    assert.equal(predictions.length, 1)
    assert.equal(predictions[0]!.result.length, stored[i % names.length]!.predictions[0]!.result.length)
  }
  // A picture that comes again comes from the cache.
  const hits = Number(/segformer_cache_lookups_total\{segformer_outcome="hit"\} (\d+)/.exec(lookups)?.[1])
  assert.ok(hits >= 490, `${hits} hits`)
})

export const rows: ReadonlyArray<Peer.Peer> = [
  Peer.make({
    name: "Label Studio",
    kind: "client",
    packages: Peer.pip("labelstudio", "label-studio", "label-studio-sdk"),
    environments: ["labelstudio"],
    prepare: Studio.prepare,
    start: Studio.start,
    trials: {
      "connected by its API; brushes of uploads, exported as NumPy: our label maps": brushes,
      "polygons of uploads, exported as COCO: our label maps": polygons,
      "bitmasks as it stores them: our label maps": bitmasks,
      "rectangles, exported as COCO, on the edges of pixels": boxes,
      "a task whose picture cannot be had among others": failing,
      "a key that it refuses: nothing is kept, and all is asked anew with the right one": keys,
      "basic authentication, with and without the right password": passwords,
      "a personal access token": personal,
      "pictures of a local folder": local,
      "the region at a click, while somebody annotates": clicks,
      "the pages of a repeater, stored under the names of each page": repeated,
      "500 tasks in one request, and none of them asked again": many
    }
  })
]
