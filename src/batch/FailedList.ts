/** What failed, as a CSV: key, tag and message of each image. A run can be given it again (`Manifest`). */
import { basename, dirname } from "node:path"
import { Effect, FileSystem, Stream } from "effect"
import * as Csv from "../mask/Csv.ts"
import type { RunFolderFailed, SinkFailed } from "./BatchError.ts"
import type { Journal } from "./Journal.ts"
import { isFailed } from "./JournalLine.ts"
import * as OutFolder from "./OutFolder.ts"

/** Writes the list; where nothing failed, an older one is removed. */
export const write = (
  path: string,
  journal: Pick<Journal, "failed" | "lines">
): Effect.Effect<void, SinkFailed | RunFolderFailed, FileSystem.FileSystem> =>
  journal.failed() === 0
    ? Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.ignore(fs.remove(path, { force: true })))
    : OutFolder.make("failures", dirname(path)).compose(basename(path), (write) =>
        Effect.andThen(
          write(Csv.line(["image", "tag", "message"])),
          Stream.runForEach(journal.lines, (line) =>
            isFailed(line) ? write(Csv.line([line.key, line.tag, line.message])) : Effect.void
          )
        )
      )
