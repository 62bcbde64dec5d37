/** What is read of a labelling configuration, however its authors write it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LabelConfig from "../../../src/server/dialects/labelStudio/LabelConfig.ts"
import * as TaskData from "../../../src/server/dialects/labelStudio/TaskData.ts"
import * as Labels from "../../../src/server/dialects/labelStudio/Labels.ts"
import { config, labels } from "./support.ts"

const parsed = (xml: string) => Effect.runSync(LabelConfig.parse(xml))
const one = (xml: string) => {
  const { controls } = parsed(xml)
  assert.lengthOf(controls, 1, xml)
  return controls[0]!
}
const values = (xml: string) => one(xml).labels.map(({ value }) => value)

describe("a labelling configuration", () => {
  it("has labels however deep they lie, whatever else is there", () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>
      <!-- <BrushLabels name="no" toName="img"><Label value="no"/></BrushLabels> -->
      <View style="display: flex"><Style>.a { color: red } </Style><Header value="Mark &lt;all&gt;"/>
        <View><View className="side"><Filter toName="tag"/><BrushLabels name="tag" toName="img">
          <View><Label value="a" background="#fff"/></View><!-- <Label value="b"/> --><Label value="c" hotkey="2"></Label>
        </BrushLabels></View><Image name="img" value="$image" zoom="true"/></View>
        <Choices name="ok" toName="img"><Choice value="yes"/><Label value="stray"/></Choices>
      </View>`
    assert.deepStrictEqual(values(xml), ["a", "c"])
    const { others, pictures } = parsed(xml)
    assert.deepStrictEqual(others, ["Filter", "Choices"])
    assert.deepStrictEqual(pictures, [{ name: "img", value: "$image", isList: false }])
  })

  it("is read as XML: entities, quotes, CDATA, line breaks", () => {
    for (const [written, value] of [
      ["pit &amp; dent", "pit & dent"],
      ["&lt;b&gt; &quot;x&quot; &apos;y&apos;", `<b> "x" 'y'`],
      ["Gr&#xF6;&#223;e", "Größe"],
      ["&#x1F600;", "😀"],
      ["a\nb", "a b"],
      ["日本", "日本"],
      ["  padded ", "  padded "]
    ] as const) {
      assert.deepStrictEqual(values(config("BrushLabels", `<Label value="${written}"/>`)), [value], written)
    }
    assert.deepStrictEqual(values(config("BrushLabels", `<Label value='say "x"'/>`)), ['say "x"'])
    assert.deepStrictEqual(
      values(config("BrushLabels", `<![CDATA[<Label value="no"/>]]><Label value="yes"/>`)),
      ["yes"]
    )
  })

  it("knows tags and attributes in any case, and gives each tag its own labels", () => {
    const xml = `<View><image NAME="img" Value="$image"/>
      <polygonlabels Name="p" toname="img"><label VALUE="x"/></polygonlabels>
      <RectangleLabels name="r" toName="img"><Label value="y"/></RectangleLabels>
      <BitmaskLabels name="m" toName="img"><Label value="z"/></BitmaskLabels></View>`
    assert.deepStrictEqual(
      parsed(xml).controls.map(({ labels, name, type }) => [name, type, labels[0]?.value]),
      [
        ["p", "polygonlabels", "x"],
        ["r", "rectanglelabels", "y"],
        ["m", "bitmasklabels", "z"]
      ]
    )
  })

  it("says which tags are to be left alone, and how sure a model must be", () => {
    assert.lengthOf(parsed(config("BrushLabels", labels("a"), 'model_skip="true"')).controls, 0)
    assert.lengthOf(parsed(config("BrushLabels", labels("a"), 'model_skip="false"')).controls, 1)
    for (const [written, least] of [
      ["0.25", 0.25],
      ["0", 0],
      ["1", 1],
      ["", undefined],
      ["high", undefined],
      ["1.5", undefined],
      ["-1", undefined]
    ] as const) {
      const { least: found } = one(config("BrushLabels", labels("a"), `model_score_threshold="${written}"`))
      assert.strictEqual(found, least, written)
    }
  })

  it("has nothing where it has no tag for pictures, and is refused where it is no XML", () => {
    assert.deepStrictEqual(parsed("<View/>").controls, [])
    assert.deepStrictEqual(parsed(`<View><BrushLabels name="tag"/></View>`).controls, [])
    for (const xml of [
      "",
      "no XML",
      "<View>",
      "<View></Vie>",
      `<View a="&nope;"/>`,
      "<View/><View/>",
      `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><View><Label value="&x;"/></View>`,
      `<!DOCTYPE a [<!ENTITY x "${"x".repeat(100)}">]><View a="&x;"/>`,
      `<View a="${"x".repeat(2_000_000)}"/>`,
      "<a>".repeat(300) + "</a>".repeat(300)
    ]) {
      const { detail, status } = Effect.runSync(Effect.flip(LabelConfig.parse(xml)))
      assert.strictEqual(status, 400, xml.slice(0, 100))
      assert.include(detail, "labelling configuration")
    }
  })
})

describe("what a value such as $image is in a task", () => {
  const data = {
    image: "a.png",
    "my image": "b.png",
    "a.b": "c.png",
    nested: { list: [{ url: "d.png" }], n: 7 },
    none: null
  }
  it("is a field, or lies within one, or is put into a text", () => {
    for (const [value, found] of [
      ["$image", "a.png"],
      ["$my image", "b.png"],
      ["$a.b", "c.png"],
      ["$nested.list[0].url", "d.png"],
      ["$nested.list.0.url", "d.png"],
      ["https://host/$image", "https://host/a.png"],
      ["https://host/$nested.n/$image", "https://host/7/a.png"],
      ["https://host/fixed.png", "https://host/fixed.png"],
      ["$none", null],
      ["$missing", undefined],
      ["$nested.list[5].url", undefined],
      ["$constructor", undefined],
      ["$image.length", undefined],
      ["$__proto__.x", undefined]
    ] as const) {
      assert.strictEqual(TaskData.resolve(value, data), found, value)
    }
    assert.strictEqual(TaskData.resolve("$image", { $undefined$: "e.png" }), "e.png")
  })
})

describe("the label of a class", () => {
  const labelsOf = (inside: string) => one(config("BrushLabels", inside)).labels
  const found = (inside: string, name: string) => Labels.find(labelsOf(inside), name)?.value

  it("is the one that says so, then the one called so, then the one called so in another case", () => {
    const inside =
      `<Label value="SCRATCH"/><Label value="scratch"/><Label value="dirt" predicted_values="particle, stain"/>` +
      `<Label value="particle"/><Label value="Pit" alias="p"/>`
    for (const [name, label] of [
      ["scratch", "scratch"],
      ["Scratch", "SCRATCH"],
      ["particle", "dirt"],
      ["stain", "dirt"],
      ["STAIN", "dirt"],
      ["pit", "p"],
      ["Pit", "p"],
      ["P", "p"],
      ["fiber", undefined],
      ["", undefined],
      ["particle, stain", "dirt"]
    ] as const) {
      assert.strictEqual(found(inside, name), label, name)
    }
    // A class may have a comma in its name.
    assert.strictEqual(
      found(`<Label value="b" predicted_values="building, edifice"/>`, "building, edifice"),
      "b"
    )
    assert.strictEqual(found(`<Label value="building, edifice"/>`, "building, edifice"), "building, edifice")
    assert.strictEqual(found(`<Label value="a" predicted_values=" , "/>`, ""), undefined)
  })

  it("is that of the first tag that has one, of those that are for the picture", () => {
    const xml = `<View><Image name="left" value="$l"/><Image name="right" value="$r"/>
      <RectangleLabels name="box" toName="right,left"><Label value="pit"/></RectangleLabels>
      <BrushLabels name="tag" toName="left"><Label value="pit"/><Label value="scratch"/></BrushLabels></View>`
    const classes = ["background", "scratch", "pit"].map((name, id) => ({ id, name }))
    const placed = (toName: string) =>
      Array.from(Labels.place(parsed(xml).controls, toName, classes), ([id, { control }]) => [
        id,
        control.fromName,
        control.toName
      ])
    assert.deepStrictEqual(placed("left"), [
      [1, "tag", "left"],
      [2, "box", "left"]
    ])
    assert.deepStrictEqual(placed("right"), [[2, "box", "right"]])
    assert.deepStrictEqual(placed("nothing"), [])
  })
})
