/** What sinks keep of the images that are done, as a run gives it back to them at its end. */
import { Effect, Stream } from "effect"
import { byName } from "../image/Folder.ts"
import { RunFolderFailed } from "./BatchError.ts"
import type { Journal } from "./Journal.ts"
import * as JournalLine from "./JournalLine.ts"
import type { Recorded, Records } from "./Sink.ts"

/** What a sink keeps of an image that is done. */
export const of = ({ h: height, key, w: width }: JournalLine.DoneLine, record: string): Recorded => ({
  key,
  width,
  height,
  record
})

/** So many names are sorted in a moment, and take some 100 MB. */
const mostSorted = 1_000_000

/** What is done, in the order of keys; of very many images in the order in which they were settled. */
const doneOf = (journal: Journal): Stream.Stream<JournalLine.DoneLine, RunFolderFailed> => {
  const done = Stream.filter(journal.lines, JournalLine.isDone)
  if (journal.done() > mostSorted) return done
  return Stream.unwrap(
    Effect.map(Stream.runCollect(Stream.map(done, ({ key }) => key)), (keys) =>
      Stream.fromIterable(keys.sort(byName)).pipe(
        Stream.mapEffect(journal.find),
        Stream.filter((line) => line !== undefined && JournalLine.isDone(line))
      )
    )
  )
}

/** What it keeps of each. */
export const all = (journal: Journal, folder: string, sink: string): Records =>
  Stream.mapEffect(doneOf(journal), (line) =>
    Effect.flatMap(journal.record(line, sink), (record) => {
      if (record !== undefined) return Effect.succeed(of(line, record))
      // Images that are at hand were made again.
      const detail = `what its records.log keeps of ${line.key} is broken. Run it with that image among the others, and without trying again only what failed`
      return Effect.fail(new RunFolderFailed({ folder, detail }))
    })
  )
