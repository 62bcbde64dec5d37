/** The application of docs/examples/app as a template: copied as its guide says, compiled and tested in a folder of its own. */
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { blocksOf } from "../docs/Markdown.ts"
import { environment, expect, pinned, root, shell } from "./Consumer.ts"

const guide = readFileSync(join(root, "docs/guides/application.md"), "utf8")
const [start = "", check = ""] = blocksOf(guide, "sh")

export const checkTemplate = (folder: string, tarball: string): void => {
  const place = join(folder, "template")
  mkdirSync(place)
  const env = environment(
    { ONNXRUNTIME_NODE_INSTALL: "skip", npm_config_audit: "false", npm_config_fund: "false" },
    [join(place, "node_modules/.bin")]
  )
  for (const line of start.trim().split("\n")) {
    shell(line.startsWith("npm install ") ? pinned(line, tarball) : line, place, env)
  }
  for (const line of check.trim().split("\n")) shell(line.replace(/ +#.*$/, ""), place, env)
  const found = shell("node src/Script.ts node_modules/effect-segformer/docs/images/sample.jpg", place, env)
  expect(
    "the application of the guide compiles, passes its tests and runs where it is copied to",
    / defects$/m.test(found)
  )
}
