/**
 * The test images of Pillow, libpng and libtiff, from the source packages of Debian: fetched once by the machine's own
 * sources, of which a copy asks for sources as well, and kept outside the checkout. `SEGFORMER_TEST_IMAGES` is a folder to keep
 * them in; by default the user's cache.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

const packages = ["pillow", "libpng1.6", "tiff"] as const

const images = /\.(png|apng|jpe?g|jpe|jfif|tiff?|gif|bmp|dib|webp|avifs?|heic|jxl|jp2|ico|psd|mpo)$/i

const cache = (): string =>
  process.env["SEGFORMER_TEST_IMAGES"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-segformer", "images")

/** The machine's own list of sources, where each also says that it has sources. */
const withSources = (folder: string): void => {
  mkdirSync(folder, { recursive: true })
  const parts = "/etc/apt/sources.list.d"
  const own = [
    ...(existsSync("/etc/apt/sources.list") ? ["/etc/apt/sources.list"] : []),
    ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [])
  ].filter((path) => /\.(list|sources)$/.test(path))
  own.forEach((path, index) => {
    const text = readFileSync(path, "utf8")
    const isDeb822 = path.endsWith(".sources")
    const changed = isDeb822
      ? text.replaceAll(/^Types:.*$/gm, "Types: deb-src")
      : text.replaceAll(/^deb\s/gm, "deb-src ")
    writeFileSync(join(folder, `${index}.${isDeb822 ? "sources" : "list"}`), changed)
  })
}

const fetchInto = (root: string): void => {
  console.warn(`Fetching the test images of ${packages.join(", ")} into ${root} (once) ...`)
  const lists = join(root, "lists")
  mkdirSync(join(lists, "partial"), { recursive: true })
  withSources(join(root, "sources"))
  const options = [
    ["Dir::Etc::sourcelist", "/dev/null"],
    ["Dir::Etc::sourceparts", join(root, "sources")],
    ["Dir::State::lists", lists],
    ["Dir::Cache", join(root, "cache")]
  ].flatMap(([name, value]) => ["-o", `${name}=${value}`])
  const apt = (...args: ReadonlyArray<string>) =>
    execFileSync("apt-get", [...options, "-q", ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  try {
    apt("update")
  } catch {
    // One of several sources may be away: whether the packages can be had is seen next.
  }
  for (const name of packages) {
    try {
      apt("source", "--tar-only", "--download-only", name)
    } catch (error) {
      throw new Error(
        `apt-get cannot fetch the sources of ${name}: the suite needs Debian, or a system like it`,
        {
          cause: error
        }
      )
    }
    const tar = readdirSync(root).find((file) => file.startsWith(`${name}_`) && file.includes(".orig.tar"))
    if (tar === undefined) throw new Error(`apt-get gave no sources of ${name}`)
    const inside = execFileSync("tar", ["-tf", tar], { cwd: root, encoding: "utf8" }).split("\n")
    const list = join(root, `${name}.list`)
    writeFileSync(list, inside.filter((path) => images.test(path)).join("\n"))
    mkdirSync(join(root, "sets", name), { recursive: true })
    execFileSync("tar", ["-C", join("sets", name), "--strip-components=1", "-xf", tar, "-T", list], {
      cwd: root
    })
  }
  writeFileSync(join(root, "whole"), "")
}

/** The folder of the sets, and each image in it: `pillow/Tests/images/hopper.png`. */
export const load = (): { readonly root: string; readonly names: ReadonlyArray<string> } => {
  const kept = cache()
  mkdirSync(kept, { recursive: true })
  if (!existsSync(join(kept, "whole"))) fetchInto(kept)
  const root = join(kept, "sets")
  const names = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  return { root, names: names.sort() }
}
