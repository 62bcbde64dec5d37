/** Lists of classes as people and annotation tools write them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Result } from "effect"
import type { ClassTable } from "effect-segformer/mask"
import * as ClassFile from "../../src/cli/ClassFile.ts"

const read = (text: string) =>
  Effect.result(ClassFile.read("list")).pipe(
    Effect.provide(
      FileSystem.layerNoop({
        stat: () => Effect.succeed({ type: "File" } as FileSystem.File.Info),
        readFileString: () => Effect.succeed(text)
      })
    )
  )

const names = ["background", "car", "road"]
const colours = [
  [0, 0, 0],
  [250, 50, 83],
  [61, 61, 245]
] as const
const plain = names.map((name, id) => ({ id, name }))
const coloured = plain.map((info, id) => ({ ...info, color: colours[id]! }))
const lines = (line: (name: string, colour: string, id: number) => string, between = ",") =>
  names.map((name, id) => line(name, colours[id]!.join(between), id)).join("\n")

const rows: ReadonlyArray<readonly [name: string, text: string, classes: ClassTable.ClassTable]> = [
  ["a name a line", "background\ncar\nroad\n", plain],
  ["the same of Windows, with a byte order mark", "\ufeffbackground\r\ncar\r\nroad\r\n", plain],
  [
    "names with spaces, commas, colons and numbers",
    "traffic light\nsky, night\na: b\n2 wheeler",
    [
      { id: 0, name: "traffic light" },
      { id: 1, name: "sky, night" },
      { id: 2, name: "a: b" },
      { id: 3, name: "2 wheeler" }
    ]
  ],
  [
    "an empty line between, which is counted",
    "background\n\nroad",
    [
      { id: 0, name: "background" },
      { id: 1, name: "" },
      { id: 2, name: "road" }
    ]
  ],
  [
    "CVAT's labelmap.txt",
    `# label:color_rgb:parts:actions\n${lines((name, colour) => `${name}:${colour}::`)}`,
    coloured
  ],
  ["Datumaro's without colours", `# label:color_rgb:parts:actions\n${lines((name) => `${name}:::`)}`, plain],
  ["the same with parts and actions", lines((name, colour) => `${name}:${colour}:a,b:c`), coloured],
  ["CamVid's label_colors.txt", lines((name, colour) => `${colour} ${name}`, " "), coloured],
  ["the same in columns", lines((name, colour) => `${colour}\t\t${name}`, "  "), coloured],
  ["a table of colours", `name,r,g,b\n${lines((name, colour) => `${name},${colour}`)}`, coloured],
  ["Roboflow's _classes.csv", `Pixel Value, Class\n${lines((name, _, id) => `${id}, ${name}`)}`, plain],
  ["ids and names", lines((name, _, id) => `${id}: ${name}`), plain],
  [
    "ids, names and colours",
    `id,name,r,g,b\n${lines((name, colour, id) => `${id},${name},${colour}`)}`,
    coloured
  ],
  ["the same without a heading, in columns", lines((name, c, id) => `${id}\t${name}\t${c}`, "\t"), coloured],
  ["ids below a heading", `class_id:class_name\n${lines((name, _, id) => `${id}:${name}`)}`, plain],
  ["a list of YAML", `names:\n${lines((name, _, id) => `  ${id}: ${name}`)}`, plain],
  [
    "ids that count from 1",
    "1: crack\n2: building, edifice",
    [
      { id: 1, name: "crack" },
      { id: 2, name: "building, edifice" }
    ]
  ],
  ...[
    ["with decimal commas", "0,5 mm", "1,0 mm", "2,0 mm"],
    ["of chemicals", "1,2-dichloroethane", "1,3-butadiene"],
    ["with scales", "background", "1:2 scale", "1:5 scale"],
    ["with times", "10:30 train", "11:45 bus"],
    ["numbered but for the first", "background", "1: crack", "2: hole"],
    ["after numbers in which a comma separates", "0, sky, night", "1, car"],
    ["that are a heading's words", "name", "label", "class"],
    ["that are colours", "red, green", "blue", "Label: B"]
  ].map(
    ([what, ...all]) => [`names ${what}`, all.join("\n"), all.map((name, id) => ({ id, name }))] as const
  ),
  [
    "ids with holes",
    "7\tcar\n3\troad",
    [
      { id: 3, name: "road" },
      { id: 7, name: "car" }
    ]
  ],
  [
    "labelme's labels.txt, whose first is -1",
    "__ignore__\n_background_\ncar",
    [
      { id: 0, name: "_background_" },
      { id: 1, name: "car" }
    ]
  ],
  ["JSON of names", JSON.stringify(names), plain],
  ["JSON of ids", '{"0": "background", "1": "car", "2": "road"}', plain],
  [
    "a model's config",
    '{"model_type": "segformer", "id2label": {"0": "background", "1": "car", "2": "road"}}',
    plain
  ]
]

const refused: ReadonlyArray<readonly [name: string, text: string, reason: RegExp]> = [
  ["YOLO's data.yaml", "train: images\nnames:\n  0: background\n  1: car", /line 2 is no name/],
  ["the same in one line", "train: images\nnames: ['background', 'car']", /line 2 is no name/],
  ["a comment before names", "# my classes\nbackground\ncar", /line 1 is no name/],
  ["an id twice", "0: a\n0: b", /an id twice/],
  ["columns that are not known", "id,name,color\n0,car,#ff0000", /line 1 is no name/],
  ["nothing", "\n\n", /empty/],
  ["nothing but a comment", "# a", /empty/],
  ["COCO's categories", '{"categories": [{"id": 1, "name": "car"}]}', /neither an array of names/],
  ["labels to ids", '{"car": 1}', /neither an array of names/],
  ["no names", "[]", /no classes/]
]

describe("--classes", () => {
  for (const [name, text, classes] of rows)
    it.effect(`of ${name}`, () =>
      Effect.map(read(text), (found) => assert.deepStrictEqual(Result.getOrThrow(found), classes))
    )
  for (const [name, text, reason] of refused)
    it.effect(`refuses ${name}`, () =>
      Effect.map(read(text), (found) => {
        assert.isTrue(Result.isFailure(found))
        if (Result.isFailure(found)) assert.match(found.failure.message, reason)
      })
    )
})
