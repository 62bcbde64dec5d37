/** Clients of npm that others upload files with, in the folder of their own. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Ours from "./Ours.ts"

const { fails, gives, seen } = Ours

const folder = join(Process.here, "npm")

/** Installs what the lock file has, once. No script of theirs runs. */
const installed = (): void => {
  if (existsSync(join(folder, "node_modules"))) return
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"]
  })
}

const script = (protocols: string, name: string) =>
  Ours.scriptOf(
    protocols,
    () => {
      installed()
      return [process.execPath, join(folder, "clients.js"), name]
    },
    ({ large, url }) => ({ RF_SEMANTIC_SEGMENTATION_URL: url, HOME: dirname(large) })
  )

const refused = {
  "another key": fails("other key", seen.otherToken),
  "a picture that is too large": fails("large", seen.tooLarge),
  "a file that is no image": fails("text", seen.text)
}

export const rows: ReadonlyArray<Peer.Peer> = [
  Peer.make({
    name: "roboflow (npm)",
    kind: "client",
    packages: Peer.npmApart("roboflow"),
    start: script("roboflow", "roboflow"),
    trials: {
      "semanticSegmentation of a file": gives("segment"),
      ...refused,
      "a model that is not there": fails("other model", seen.model)
    }
  }),
  Peer.make({
    name: "axios",
    kind: "client",
    packages: Peer.npmApart("axios", "form-data"),
    start: script("inspection", "axios"),
    trials: {
      "a form of form-data, from a stream": gives("form"),
      "a form of the platform": gives("blob"),
      "a stream as the body": gives("stream"),
      ...refused
    }
  }),
  Peer.make({
    name: "got",
    kind: "client",
    packages: Peer.npmApart("got"),
    start: script("inspection", "got"),
    trials: {
      "a stream as the body": gives("stream"),
      "a form of the platform": gives("form"),
      ...refused
    }
  }),
  Peer.make({
    name: "superagent",
    kind: "client",
    packages: Peer.npmApart("superagent"),
    start: script("inspection", "superagent"),
    trials: {
      "attach: a form from a file": gives("form"),
      "a file as the body": gives("raw"),
      ...refused
    }
  })
]
