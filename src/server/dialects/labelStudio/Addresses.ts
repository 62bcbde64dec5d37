/** Where the picture of a task is, by what Label Studio writes for it, and whether this server may fetch it from there. */
import { Result } from "effect"
import * as Hosts from "../../../service/Hosts.ts"
import { withoutQuery } from "../../../service/Body.ts"
import { bad, Refusal } from "../../Refusal.ts"
import { decoded } from "../../../jobs/FileName.ts"

/** Where a picture is. */
export type Place =
  /** With Label Studio itself: paths to try one after the other, the first that has it. */
  | { readonly _tag: "Own"; readonly paths: ReadonlyArray<string> }
  /** Anywhere else that is allowed. */
  | { readonly _tag: "Other"; readonly url: URL }

export interface Known {
  /** Label Studio's address, as its users know it. */
  readonly base: URL | undefined
  /** Further hosts that pictures may be fetched from; `*` for any that is public. */
  readonly hosts: Hosts.Hosts
}

/** Of a project's own cloud storage, which Label Studio signs addresses for. */
const inStorage = /^(?:s3|gs|azure-blob):/i

const unknownHost =
  "this server has not been told where Label Studio is. Start it with LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"

/** The address without what may be a secret in it, for people. */
const shown = (value: string): string => {
  const text = value.startsWith("data:") ? "data:" : withoutQuery(value).replace(/\/\/[^/@]*@/, "//")
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}

/** The picture that a task's field names, for the task of that id. */
export const find = (
  value: string,
  taskId: string | undefined,
  { base, hosts }: Known
): Result.Result<Place, Refusal> => {
  const text = value.trim()
  const refuse = (why: string) => Result.fail(bad(`The picture ${shown(text)} is not fetched: ${why}`))
  if (text === "") return Result.fail(bad("The task names no picture"))
  if (inStorage.test(text)) {
    if (base === undefined) return refuse(unknownHost)
    if (taskId === undefined) return refuse("the task that it is of has no id")
    const name = Buffer.from(text).toString("base64url")
    // Label Studio wants the padding.
    const padded = name.padEnd(Math.ceil(name.length / 4) * 4, "=")
    return Result.succeed({
      _tag: "Own",
      paths: [`${prefixOf(base)}/tasks/${encodeURIComponent(taskId)}/presign/?fileuri=${padded}`]
    })
  }
  const isWhole = /^[a-z][a-z\d+.-]*:/i.test(text)
  if (!isWhole && base === undefined) return refuse(unknownHost)
  // `upload/1/a.png` is what exports write for `/data/upload/1/a.png`.
  const path = /^\/?upload\//.test(text) ? `/data/${text.replace(/^\//, "")}` : text
  if (!URL.canParse(path, base)) return refuse("it is no address")
  const url = new URL(path, base)
  if (url.protocol !== "http:" && url.protocol !== "https:") return refuse("it is no http(s) address")
  if (url.username !== "" || url.password !== "") return refuse("it has a name or password in it")
  if (base !== undefined && url.origin === base.origin) {
    // It is asked with this server's key: what only that may see would stand in the failure, which whoever made the task reads.
    if (/^\/+api(?:\/|$)/i.test(decoded(ownOf(url, prefixOf(base))))) {
      return refuse("it is no picture, but Label Studio's own interface")
    }
    return Result.succeed({ _tag: "Own", paths: pathsOf(url, prefixOf(base)) })
  }
  if (Hosts.allows(hosts, url) || hosts.includes("*")) return Result.succeed({ _tag: "Other", url })
  return Result.fail(
    new Refusal({
      status: 403,
      detail:
        `The picture ${shown(text)} is not fetched: ${url.host} is neither Label Studio's host nor one of those that pictures ` +
        "may come from. Name it in --images-from if it may"
    })
  )
}

/** The path that Label Studio itself is under: empty, or such as `/label-studio`. */
const prefixOf = ({ pathname }: URL): string => pathname.replace(/\/+$/, "")

/** A path of Label Studio, without the one that it is under. */
const ownOf = ({ pathname }: URL, prefix: string): string =>
  pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname

const pathsOf = (url: URL, prefix: string): ReadonlyArray<string> => {
  const own = ownOf(url, prefix)
  const path = prefix + own + url.search
  const [, file] = /^\/data\/(upload\/.+)$/.exec(own) ?? []
  // An upload is on Label Studio's disk or in its cloud storage, and only a route of its own knows which.
  return file === undefined
    ? [path]
    : [`${prefix}/storage-data/uploaded/?filepath=${encodeURIComponent(decoded(file))}`, path]
}
