/**
 * Clients of npm, each beside its trials: `node clients.js NAME URL TOKEN OTHER_TOKEN PICTURES TEXT LARGE` prints what came
 * of each, a line of JSON.
 */
import { createReadStream, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import axios from "axios"
import { decode } from "fast-png"
import FormData from "form-data"
import { got } from "got"
import roboflow from "roboflow"
import superagent from "superagent"

const [, , name, url, token, otherToken, folder, text, large] = process.argv
const pictures = readdirSync(folder).map((picture) => join(folder, picture))
const [one] = pictures
const segment = `${url}/v1/segment`
const headers = (key = token) => ({ authorization: `Bearer ${key}`, accept: "image/png" })

/** The ids of a grey PNG. */
const mapOf = (png) => {
  const { data, height, width } = decode(png)
  return { width, height, data: Buffer.from(data).toString("base64") }
}

const each = async (act) =>
  Object.fromEntries(
    await Promise.all(pictures.map(async (path) => [basename(path), mapOf(await act(path))]))
  )

/** A message with what was answered, which each client keeps elsewhere. */
const said = (error) => {
  const { body, data, text } = error.response ?? {}
  const answer = Buffer.isBuffer(data) ? data.toString() : (body ?? data ?? text ?? "")
  return `${error.name}: ${error.message} ${Buffer.isBuffer(answer) ? answer.toString() : JSON.stringify(answer)}`
}

const withAxios = {
  form: async (path, key) => {
    const form = new FormData()
    form.append("image", createReadStream(path))
    const answer = await axios.post(segment, form, { headers: headers(key), responseType: "arraybuffer" })
    return answer.data
  },
  blob: async (path) => {
    const form = new globalThis.FormData()
    form.append("image", new Blob([readFileSync(path)]), basename(path))
    return (await axios.post(segment, form, { headers: headers(), responseType: "arraybuffer" })).data
  },
  stream: async (path) =>
    (await axios.post(segment, createReadStream(path), { headers: headers(), responseType: "arraybuffer" }))
      .data
}

const withGot = {
  stream: (path, key) =>
    got.post(segment, { body: createReadStream(path), headers: headers(key), retry: { limit: 0 } }).buffer(),
  form: (path) => {
    const form = new globalThis.FormData()
    form.append("image", new Blob([readFileSync(path)]), basename(path))
    return got.post(segment, { body: form, headers: headers() }).buffer()
  }
}

const withSuperagent = {
  form: async (path, key) =>
    (await superagent.post(segment).set(headers(key)).attach("image", path).responseType("blob")).body,
  raw: async (path) =>
    (
      await superagent
        .post(segment)
        .set(headers())
        .type("image/jpeg")
        .send(readFileSync(path))
        .responseType("blob")
    ).body
}

const withRoboflow = {
  segment: async (path, key = token, model = "segformer/1") =>
    Buffer.from((await roboflow.semanticSegmentation(path, model, key)).segmentation_mask, "base64")
}

/** What is refused of every client. */
const refused = (act) => ({
  "other key": () => act(one, otherToken),
  large: () => act(large),
  text: () => act(text)
})

const trials = {
  axios: {
    form: () => each(withAxios.form),
    blob: () => each(withAxios.blob),
    stream: () => each(withAxios.stream),
    ...refused(withAxios.form)
  },
  got: {
    stream: () => each(withGot.stream),
    form: () => each(withGot.form),
    ...refused(withGot.stream)
  },
  superagent: {
    form: () => each(withSuperagent.form),
    raw: () => each(withSuperagent.raw),
    ...refused(withSuperagent.form)
  },
  roboflow: {
    segment: () => each(withRoboflow.segment),
    ...refused(withRoboflow.segment),
    "other model": () => withRoboflow.segment(one, token, "other/1")
  }
}

for (const [trial, act] of Object.entries(trials[name])) {
  const line = await act().then(
    (maps) => ({ trial, maps }),
    (error) => ({ trial, error: said(error) })
  )
  console.log(JSON.stringify(line))
}
