/**
 * Tools that read our files or compute what we compute: `npm run test:truth` tries them. Here each is a row that holds where
 * the tests that name it passed, by that suite's report, so that nothing runs twice.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Record } from "effect"
import * as Peer from "../Peer.ts"

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: string
      readonly failureMessages: ReadonlyArray<string>
    }>
  }>
}

/** Tools by their packages; what is tried with each, and a part of the name of the test that does. */
export const tools: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  pycocotools: {
    "fills our COCO annotations to their pixels, areas and boxes": "COCO: pycocotools",
    "packs run lengths to the same text": "run lengths: the text is pycocotools'"
  },
  supervision: { "reads our YOLO outlines": "YOLO: supervision" },
  rasterio: {
    "burns our GeoJSON to the same map": "GeoJSON: geopandas reads valid features, which rasterio burns",
    "traces the same shapes, with 4 and 8 neighbours": "outlines: rasterio finds the same shapes"
  },
  geopandas: { "reads our GeoJSON as valid features": "GeoJSON: geopandas reads valid features" },
  "label-studio-converter": {
    "draws the same polygons": "Label Studio's converter draws the same polygons",
    "reads our brushes to the same pixels": "brushes: the converter reads every region",
    "packs brushes that we read to the same pixels": "brushes: what the converter writes"
  },
  "scikit-image": {
    "regions: number, class, area, box, centroid, perimeter":
      "are the same in number, class, area, box, centroid",
    "morphology of masks": "morphology of a mask is OpenCV's, SciPy's and scikit-image's"
  },
  "scikit-learn": {
    "the confusion matrix and scores of classes":
      "the confusion matrix and every score of a class are scikit-learn's"
  },
  "opencv-python-headless": { "morphology of masks": "morphology of a mask is OpenCV's" },
  scipy: { "morphology of masks": "morphology of a mask is OpenCV's, SciPy's" },
  shapely: { "simplified outlines are valid and none is lost": "are valid at every tolerance" },
  pillow: { "pictures of test sets come out the same": "come out as Pillow has them" }
}

/** The report of a run: the file named by `PEERS_TRUTH`, or of a run that is made for it, once. */
const report: Effect.Effect<Report, Error> = Effect.runSync(
  Effect.cached(
    Effect.suspend(() => {
      const given = process.env["PEERS_TRUTH"]
      if (given !== undefined)
        return existsSync(given)
          ? Effect.succeed(read(given))
          : Effect.fail(new Error(`There is no report ${given}, which PEERS_TRUTH names`))
      return Effect.acquireUseRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "segformer-peers-"))),
        (folder) => Effect.map(reported(join(folder, "truth.json")), read),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
    })
  )
)

const read = (path: string): Report => JSON.parse(readFileSync(path, "utf8"))

const root = fileURLToPath(new URL("../../../", import.meta.url))

/** Runs the suite and gives where its report is. That tests fail is for the rows to say. */
const reported = (path: string): Effect.Effect<string, Error> =>
  Effect.callback((resume) => {
    const child = spawn(
      process.execPath,
      [
        join(root, "node_modules/vitest/vitest.mjs"),
        "run",
        "--config=test/vitest.config.ts",
        "--project=truth",
        "--maxWorkers=1",
        "--reporter=json",
        `--outputFile.json=${path}`
      ],
      { cwd: root, stdio: ["ignore", "ignore", "pipe"] }
    )
    const complaints: Array<Buffer> = []
    child.stderr.on("data", (chunk) => complaints.push(chunk))
    child.on("close", () =>
      resume(
        existsSync(path)
          ? Effect.succeed(path)
          : Effect.fail(new Error(`the suite gave no report: ${Buffer.concat(complaints).toString()}`))
      )
    )
    return Effect.sync(() => child.kill())
  })

const passed = (found: Report, test: string): Effect.Effect<void, Error> => {
  const tests = found.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName }) => fullName.includes(test))
  if (tests.length === 0) return Effect.fail(new Error(`no test of the suite is called "${test}"`))
  const failed = tests.find(({ status }) => status !== "passed")
  return failed === undefined
    ? Effect.void
    : Effect.fail(new Error(failed.failureMessages.join(" ") || `the test is ${failed.status}`))
}

export const rows: ReadonlyArray<Peer.Peer> = Object.entries(tools).map(([name, tried]) =>
  Peer.make({
    name,
    kind: "tool",
    packages: Peer.pip("truth", name),
    environments: ["truth"],
    start: report,
    trials: Record.map(tried, (test) => (found: Report) => passed(found, test))
  })
)
