/** What publint and "are the types wrong?" say about the packed package. */
import { readFileSync } from "node:fs"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { expect } from "./Consumer.ts"

export const check = async (tarball: string): Promise<void> => {
  const bytes = readFileSync(tarball)
  const { messages, pkg } = await publint({
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }
  })
  for (const message of messages) console.log(`     ${formatMessage(message, pkg)}`)
  expect("publint has nothing to say", messages.length === 0)

  const result = await checkPackage(createPackageFromTarballData(new Uint8Array(bytes)), {
    // A picture, and no module.
    excludeEntrypoints: ["./sample.jpg"]
  })
  // An ES module package is not for resolvers that know no `exports` or that load CommonJS.
  const problems = (result.types === false ? [] : result.problems).filter(
    (problem) =>
      !("resolutionKind" in problem) ||
      problem.resolutionKind === "node16-esm" ||
      problem.resolutionKind === "bundler"
  )
  for (const problem of problems) console.log(`     ${JSON.stringify(problem)}`)
  expect("the types of every entry resolve as its code does", result.types !== false && problems.length === 0)
}
