/** What people drew in CVAT, back as label maps. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Xml } from "effect/encoding"
import { Annotated, CvatReading } from "effect-segformer/annotation"
import { classOf, failureOf, rows } from "./annotated.ts"

describe("CvatReading", () => {
  const element = (
    name: string,
    attributes: Record<string, string>,
    children: ReadonlyArray<Xml.Element | string> = []
  ): Xml.Element => ({
    name,
    attributes,
    children
  })
  const image = (...children: ReadonlyArray<Xml.Element | string>) =>
    element("image", { id: "0", name: "sub/a.jpg", width: "8", height: "4" }, children)
  const drawn = (...children: ReadonlyArray<Xml.Element | string>) =>
    rows(Result.getOrThrow(CvatReading.image(image(...children))).image)
  const refused = (...children: ReadonlyArray<Xml.Element>) =>
    failureOf(CvatReading.image(image(...children)))
  const mask = (rest: Record<string, string> = {}) =>
    element("mask", {
      label: "pit",
      source: "manual",
      occluded: "0",
      rle: "0, 2, 2, 4, 1, 1",
      left: "2",
      top: "1",
      width: "5",
      height: "2",
      z_order: "0",
      ...rest
    })

  it("reads masks, polygons, boxes and ellipses to their pixels", () => {
    assert.deepStrictEqual(drawn(mask()), ["00000000", "00110010", "00111010", "00000000"])
    assert.deepStrictEqual(
      drawn(element("polygon", { label: "pit", points: "2.00,1.00;4.00,1.00;4.00,3.00;2.00,3.00" })),
      ["00000000", "00110000", "00110000", "00000000"]
    )
    const box = { label: "pit", xtl: "2", ytl: "1", xbr: "6", ybr: "3", z_order: "0" }
    assert.deepStrictEqual(drawn("\n  ", element("box", box), "\n"), [
      "00000000",
      "00111100",
      "00111100",
      "00000000"
    ])
    // Around its centre, which is where Label Studio's would leave it.
    assert.deepStrictEqual(drawn(element("box", { ...box, rotation: "90" })), Array(4).fill("00011000"))
    assert.deepStrictEqual(drawn(element("ellipse", { label: "pit", cx: "4", cy: "2", rx: "2", ry: "2" })), [
      "00011000",
      "00111100",
      "00111100",
      "00011000"
    ])
  })

  it("puts what has a higher z_order in front, and of one order what comes later", () => {
    const box = (label: string, z_order: string) =>
      element("box", { label, xtl: "0", ytl: "0", xbr: "4", ybr: "4", z_order })
    assert.strictEqual(drawn(box("pit", "0"), box("scratch", "0"))[0], "22220000")
    assert.strictEqual(drawn(box("pit", "1"), box("scratch", "0"))[0], "11110000")
    assert.strictEqual(drawn(box("pit", "10"), box("scratch", "9"))[0], "11110000")
  })

  it("leaves out what is no area, and counts it", () => {
    const { image: found, leftOut } = Result.getOrThrow(
      CvatReading.image(
        image(
          element("tag", { label: "good" }),
          element("polyline", { label: "pit", points: "0,0;1,1" }),
          mask({ label: "scratch" }),
          element("skeleton", { label: "pit" }, [element("points", { points: "1,1" })])
        )
      )
    )
    assert.deepStrictEqual(
      [found.name, found.size, found.shapes.length],
      ["sub/a.jpg", { width: 8, height: 4 }, 1]
    )
    assert.deepStrictEqual(leftOut, ["a tag is no area", "a polyline is no area", "a skeleton is no area"])
  })

  it("says what cannot be read, and where", () => {
    assert.match(
      refused(mask({ rle: "0, 2" })),
      /sub\/a.jpg: shape 1, a mask, cannot be read: its runs sum up to 2/
    )
    assert.match(refused(mask({ left: "x" })), /has no left that is a number/)
    assert.match(refused(mask({ label: "" })), /has no label/)
    assert.match(
      refused(element("polygon", { label: "pit", points: "1,1;2" })),
      /the point "2", which is no two numbers/
    )
    assert.match(refused(element("polygon", { label: "pit", points: "1,1;2,2" })), /fewer than three points/)
    assert.match(refused(element("blob", { label: "pit" })), /of no kind that is read/)
    assert.match(
      failureOf(CvatReading.image(element("image", { name: "a", width: "8" }))),
      /no height that is a number/
    )
    const far = CvatReading.image(image(mask({ left: "5" })))
    const map = Annotated.toLabelMap(Result.getOrThrow(far).image, { classOf, outside: 0 })
    assert.match(
      Result.isFailure(map) ? map.failure.detail : "",
      /columns 5 to 9 .* reaches beyond the image of 8 x 4/
    )
  })
})
