/**
 * The examples in doc comments of what runs anywhere, as one program: `examples.ts FOLDER` writes it, and any runtime runs it. Each
 * example holds itself to what it states.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Blocks from "../docs/Blocks.ts"

/** Rooms that need nothing of Node, and the two transports that are made for it and for anything. */
const rooms =
  "src/{*.ts,{mask,policy,service,image,render,jobs,cache,http,testing,companions,onnx/web}/**/*.ts}"

/** What their examples borrow of Node: a codec of pictures that has its own binary, sockets, files. */
const ofNode = /platform-node|effect-segformer\/(?:sharp|service\/node|testing\/node|onnx"|server|pdf)/

/** Writes the examples below `root`'s `folder`; gives the program, and how many it runs. */
export const write = (root: string, folder: string): { readonly program: string; readonly count: number } => {
  mkdirSync(join(root, folder), { recursive: true })
  const lines: Array<string> = []
  for (const file of globSync(rooms, { cwd: root }).toSorted()) {
    const examples = Blocks.inDocComments(readFileSync(join(root, file), "utf8"))
    for (const [index, code] of examples.entries()) {
      if (!Blocks.states(code) || ofNode.test(code)) continue
      const name = `${file.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${index + 1}.ts`
      writeFileSync(join(root, folder, name), Blocks.moduleOf(code))
      lines.push(`["${file}, example ${index + 1}", () => import("./${name}")]`)
    }
  }
  const program = join(root, folder, "program.ts")
  writeFileSync(
    program,
    `const examples = [\n${lines.join(",\n")}\n] as const
let held = 0
for (const [name, run] of examples) {
  try {
    await run()
    held++
  } catch (error) {
    console.error(name, error)
  }
}
console.log(JSON.stringify({ held, of: examples.length }))
process.exit(held === examples.length ? 0 : 1)
`
  )
  return { program, count: lines.length }
}
