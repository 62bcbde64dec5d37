/**
 * Programs that tests drive and no package brings. Where one is not installed, the tests that need it are left out
 * (`describe.skipIf(!Needs.redis)`), and a run says so in a line.
 */
import { existsSync } from "node:fs"

/** Where a program is, by the first of its names that is found. */
const find = (...names: ReadonlyArray<string>): string | undefined =>
  names
    .flatMap((name) => (process.env["PATH"] ?? "").split(":").map((folder) => `${folder}/${name}`))
    .find((path) => existsSync(path))

/** Whether there is a `redis-server`. */
export const redis = find("redis-server") !== undefined

/** Where Chromium is, as Debian, other distributions and Google name it. */
export const chromium = find("chromium", "chromium-browser", "google-chrome")

/** Whether names in five scripts can be drawn: Debian's fonts-noto-core and fonts-noto-cjk. */
export const fonts = ["truetype", "opentype"].every((kind) => existsSync(`/usr/share/fonts/${kind}/noto`))

/** Shells that complete command lines, each where it is. */
export const shells = { bash: find("bash"), zsh: find("zsh"), fish: find("fish") }

/** Vitest's global set-up: what is left out, once for a run. */
export const setup = (): void => {
  if (!redis) console.warn("Left out: tests over Redis. To have them: apt-get install redis-server")
  if (chromium === undefined)
    console.warn("Left out: tests in a browser. To have them: apt-get install chromium")
  if (!fonts)
    console.warn(
      "Left out: names in five scripts. To have them: apt-get install fonts-noto-core fonts-noto-cjk"
    )
  for (const [shell, path] of Object.entries(shells)) {
    if (path === undefined)
      console.warn(`Left out: completions in ${shell}. To have them: apt-get install ${shell}`)
  }
}
