import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { ClassTable, Csv, GeoJson, LabelMap, Npy, Polygons, Regions, Yolo } from "effect-segformer/mask"
import * as YoloSteps from "../../src/mask/Yolo.ts"
import { fromDigits, labelMaps } from "./support.ts"

const classes = ClassTable.fromNames(["zero", "one", "two"])

const failureOf = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")

describe("Yolo", () => {
  it("loses no pixel, holes included", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 20 }), (map) => {
        const text = Yolo.encode(map)
        assert.isTrue(LabelMap.equals(Result.getOrThrow(Yolo.toLabelMap(text, map.width, map.height)), map))
      }),
      { numRuns: 300 }
    )
  })

  it("loses no pixel of one class with holes and parts in each other, exact or not, a line for each region", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 24, classes: 2 }), (map) => {
        const text = Yolo.encode(map, { exclude: [0] })
        const count = Regions.fromLabelMap(map, { classes, exclude: [0] }).length
        assert.strictEqual(text.split("\n").length - 1, count)
        const back = Result.getOrThrow(Yolo.toLabelMap(text, map.width, map.height, { gap: 0 }))
        assert.isTrue(LabelMap.equals(back, map))
        for (const tolerance of [1, 4]) {
          const outlines = Polygons.fromLabelMap(map, { exclude: [0], tolerance })
          for (const { polygons } of outlines) {
            const whole = Polygons.toMask(
              [{ outer: Yolo.bridge(...polygons), holes: [] }],
              map.width,
              map.height
            )
            assert.deepStrictEqual(whole, Polygons.toMask(polygons, map.width, map.height))
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it("writes a line for each region, with coordinates from 0 to 1", () => {
    const map = fromDigits(["2000", "0200"])
    const text = Yolo.encode(map, { exclude: [0], classOf: (id) => id - 2 })
    assert.strictEqual(text, "0 0 0 0.25 0 0.25 0.5 0.5 0.5 0.5 1 0.25 1 0.25 0.5 0 0.5\n")
    assert.strictEqual(Yolo.encode(map, { exclude: [0], minArea: 2 }).split("\n").length, 2)
    assert.strictEqual(Yolo.encode(map, { exclude: [0], minArea: 3 }), "")
  })

  it("joins a mesh of holes in steps that grow with its outlines", () => {
    const taken = [100, 200, 400].map((size) => {
      const data = Uint8Array.from({ length: size * size }, (_, i) =>
        i % 2 === 1 && Math.floor(i / size) % 2 === 1 ? 0 : 1
      )
      const work = YoloSteps.steps({ width: size, height: size, data }, { exclude: [0] })
      let steps = 0
      let next = work.next()
      for (; next.done !== true; next = work.next()) steps++
      const lines = next.value.split("\n")
      assert.strictEqual(lines.length, 2)
      return steps
    })
    // Four times the holes, and not sixteen times the steps.
    for (const [i, steps] of taken.slice(1).entries()) assert.isBelow(steps, 6 * taken[i]!)
  })

  it("notes gaps as ignored, or gives them an id, and maps classes", () => {
    const text = "1 0 0 0.5 0 0.5 1 0 1\n"
    const map = Result.getOrThrow(Yolo.toLabelMap(text, 2, 1))
    assert.deepStrictEqual([map.data, map.ignoreIndex], [Uint8Array.of(1, 255), 255])
    const other = Result.getOrThrow(Yolo.toLabelMap(text, 2, 1, { gap: 0, classOf: (id) => id + 299 }))
    assert.deepStrictEqual([other.data, other.ignoreIndex], [Uint16Array.of(300, 0), undefined])
  })

  it("names the line that is wrong", () => {
    assert.match(failureOf(Yolo.decode("0 0 0 1 0 1 1\n\n0 0 0 1 1\n", 2, 2)), /line 3.*4 coordinates/)
    // Lines end as they end anywhere: three of old Macs were one, whose classes were coordinates.
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = ["1 0 0 1 0 1 1", "0 0 0 1 0 1 1", "2 0 0 1 0 1 1"].join(end)
      const ids = Result.getOrThrow(Yolo.decode(text, 2, 2)).map(({ classId }) => classId)
      assert.deepStrictEqual(ids, [1, 0, 2], JSON.stringify(end))
    }
    assert.match(failureOf(Yolo.decode("x 0 0 1 0 1 1", 2, 2)), /line 1.*class is no number/)
    assert.match(failureOf(Yolo.decode("0 0 0 1 0 1 y", 2, 2)), /coordinate is no number/)
  })

  it("pixels are no shares: they would lie outside, and the map would be empty without a word", () => {
    for (const text of ["3 780 588 778 590 772 590", "3 1 1 3 1 3 3", "3 -40 0 1 0 1 1", "0 0 0 1e9 0 1 1"])
      assert.match(
        failureOf(Yolo.toLabelMap(`0 0 0 1 0 1 1\n${text}`, 800, 600)),
        /line 2.*is no share.*pixels\?/
      )
    // What label tools write at the border.
    const out = Result.getOrThrow(Yolo.toLabelMap("3 -0.0011 -0.01 1.0678 0 1.0004 1.0004 0 1", 4, 4))
    assert.deepStrictEqual(out.data, new Uint8Array(16).fill(3))
  })
})

describe("GeoJson", () => {
  const transforms: fc.Arbitrary<GeoJson.Affine | undefined> = fc.constantFrom(
    undefined,
    [0.5, 0, 100, 0, -0.5, 40] as const,
    [0, 2, 1, 2, 0, 3] as const,
    [1, 0.25, 0, -0.25, 1, 7] as const
  )

  it("loses no pixel under any transform", () => {
    fc.assert(
      fc.property(labelMaps(), transforms, (map, transform) => {
        const json = JSON.stringify(GeoJson.fromLabelMap(map, { classes, transform }))
        const back = GeoJson.toLabelMap(json, { width: map.width, height: map.height, transform })
        assert.isTrue(LabelMap.equals(Result.getOrThrow(back), map))
      })
    )
  })

  it("closes rings; outer ones go counter-clockwise in the target's coordinates, holes the other way", () => {
    fc.assert(
      fc.property(labelMaps(), transforms, (map, transform) => {
        const { features } = GeoJson.fromLabelMap(map, { classes, transform })
        const regions = Regions.fromLabelMap(map, { classes })
        assert.deepStrictEqual(
          features.map(({ properties }) => properties),
          regions.map(({ area, classId, className }) => ({ classId, className, pixels: area }))
        )
        for (const { geometry } of features) {
          const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates
          assert.strictEqual(geometry.type === "MultiPolygon", parts.length > 1)
          for (const part of parts) {
            for (const [i, ring] of part.entries()) {
              assert.deepStrictEqual(ring.at(-1), ring[0])
              assert.isAtLeast(ring.length, 4)
              const area = Polygons.signedArea(ring.slice(0, -1).map(([x, y]): Polygons.Point => [x, y]))
              assert.isTrue(i === 0 ? area > 0 : area < 0)
            }
          }
        }
      })
    )
  })

  it("coordinates of a map are no pixels: without a transform that is said", () => {
    const at = (x: number, y: number) =>
      JSON.stringify({
        type: "FeatureCollection",
        features: [
          {
            type: "Feature",
            properties: { classId: 1 },
            geometry: {
              type: "Polygon",
              coordinates: [
                [
                  [x, y],
                  [x + 2, y],
                  [x + 2, y + 2],
                  [x, y]
                ]
              ]
            }
          }
        ]
      })
    const size = { width: 4, height: 4 }
    for (const [x, y] of [
      [13.4, 52.5],
      [500000, 5800000],
      [-74, 40.7],
      [0, 4]
    ] as const)
      assert.match(
        failureOf(GeoJson.toLabelMap(at(x, y), size)),
        /none of its features lies within 4 x 4.*transform/
      )
    // A part of a larger map may be empty.
    const transform = [1, 0, 100, 0, -1, 100] as const
    const part = Result.getOrThrow(GeoJson.toLabelMap(at(13.4, 52.5), { ...size, transform }))
    assert.deepStrictEqual(part.data, new Uint8Array(16).fill(255))
    assert.isTrue(Result.isSuccess(GeoJson.toLabelMap('{"type":"FeatureCollection","features":[]}', size)))
    for (const wrong of [
      [NaN, 0, 0, 0, 1, 0],
      [1, 0, NaN, 0, 1, 0],
      [1, 0, 0, 0, Infinity, 0],
      [1, 2, 0, 2, 4, 0]
    ] as const)
      assert.match(failureOf(GeoJson.toLabelMap(at(0, 0), { ...size, transform: wrong })), /no inverse/)
  })

  it("places pixels by the transform, and leaves small regions out", () => {
    const map = fromDigits(["01", "00"])
    const transform = [10, 0, 500, 0, -10, 900] as const
    const { features } = GeoJson.fromLabelMap(map, { classes, transform, exclude: [0] })
    assert.deepStrictEqual(
      new Set(features[0]!.geometry.coordinates.flat().map(String)),
      new Set(["510,890", "520,890", "520,900", "510,900"])
    )
    assert.deepStrictEqual(GeoJson.fromLabelMap(map, { classes, minArea: 4 }).features, [])
  })

  it("refuses what is no collection of classed polygons, and a transform without inverse", () => {
    const size = { width: 2, height: 2 }
    assert.match(failureOf(GeoJson.toLabelMap("[]", size)), /GeoJSON/)
    const point = `{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"classId":1}}]}`
    assert.isTrue(Result.isFailure(GeoJson.toLabelMap(point, size)))
    const none = `{"type":"FeatureCollection","features":[]}`
    assert.match(
      failureOf(GeoJson.toLabelMap(none, { ...size, transform: [1, 1, 0, 1, 1, 0] })),
      /no inverse/
    )
    const empty = Result.getOrThrow(GeoJson.toLabelMap(none, { ...size, gap: 3 }))
    assert.deepStrictEqual(empty, LabelMap.filled(2, 2, 3))
  })

  it("reads positions with an altitude", () => {
    const ring = "[[0,0,5],[1,0,5],[1,1,5],[0,1,5],[0,0,5]]"
    const json = `{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[${ring}]},"properties":{"classId":1}}]}`
    assert.deepStrictEqual(
      Result.getOrThrow(GeoJson.toLabelMap(json, { width: 2, height: 1, gap: 0 })).data,
      Uint8Array.of(1, 0)
    )
  })
})

describe("Npy", () => {
  it("reads what numpy.save writes, in every type and either order", () => {
    const { arrays } = JSON.parse(readFileSync(new URL("fixtures/npy.json", import.meta.url), "utf8"))
    for (const { file, kind, shape, values } of arrays) {
      // A part of Node's pool of memory, as files are read into.
      const array = Result.getOrThrow(Npy.decode(Buffer.from(file, "base64")))
      assert.deepStrictEqual([array.shape, Array.from(array.data)], [shape, values], kind)
    }
  })

  it("writes the bytes that numpy.save writes", () => {
    const { arrays } = JSON.parse(readFileSync(new URL("fixtures/npy.json", import.meta.url), "utf8"))
    for (const { file, kind } of arrays) {
      if (kind.startsWith(">") || kind.includes("fortran") || kind === "b1") continue
      const bytes = Uint8Array.from(Buffer.from(file, "base64"))
      assert.deepStrictEqual(Npy.encode(Result.getOrThrow(Npy.decode(bytes))), bytes, kind)
    }
  })

  it("keeps label maps, and takes 64-bit ids", () => {
    fc.assert(
      fc.property(
        labelMaps(),
        fc.constantFrom(Uint8Array, Uint16Array, Uint32Array, Float64Array),
        (map, Storage) => {
          const data = Storage.from(map.data)
          const bytes = Npy.encode({ shape: [1, map.height, map.width], data })
          assert.isTrue(LabelMap.equals(Result.getOrThrow(Npy.toLabelMap(bytes)), map))
          assert.deepStrictEqual(Result.getOrThrow(Npy.toLabelMap(Npy.fromLabelMap(map))), map)
          // As arrays of one channel are.
          const channel = Npy.encode({ shape: [map.height, map.width, 1], data })
          if (map.height > 1) assert.isTrue(LabelMap.equals(Result.getOrThrow(Npy.toLabelMap(channel)), map))
        }
      )
    )
  })

  it("refuses truncated files, other types, negative ids and other shapes", () => {
    const bytes = Npy.fromLabelMap(LabelMap.filled(3, 3, 1))
    for (let length = 0; length < bytes.length; length++) {
      assert.isTrue(Result.isFailure(Npy.decode(bytes.subarray(0, length))))
    }
    const complex = Uint8Array.from(
      Buffer.from(Buffer.from(bytes).toString("latin1").replace("|u1", "<c8"), "latin1")
    )
    assert.match(failureOf(Npy.decode(complex)), /its header is/)
    assert.match(
      failureOf(Npy.toLabelMap(Npy.encode({ shape: [1, 2], data: Int8Array.of(0, -1) }))),
      /element 1 is -1/
    )
    assert.match(
      failureOf(Npy.toLabelMap(Npy.encode({ shape: [2, 1, 2], data: new Uint8Array(4) }))),
      /\[2, 1, 2\]/
    )
    for (const shape of [
      [2, 2, 2],
      [1, 2, 2, 1]
    ])
      assert.match(
        failureOf(Npy.toLabelMap(Npy.encode({ shape, data: new Uint8Array(shape.reduce((a, b) => a * b)) }))),
        /not that of one label map/
      )
    const huge = Npy.encode({ shape: [1, 1], data: Float64Array.of(1) })
    const text = Buffer.from(huge).toString("latin1").replace("<f8", "<i8")
    assert.match(failureOf(Npy.decode(Uint8Array.from(Buffer.from(text, "latin1")))), /more than 53 bits/)
  })

  it("never throws on arbitrary bytes", () => {
    const start = Npy.fromLabelMap(LabelMap.filled(3, 3, 1))
    fc.assert(
      fc.property(fc.nat(start.length - 1), fc.nat(255), (at, value) => {
        const bytes = Uint8Array.from(start)
        bytes[at] = value
        Npy.toLabelMap(bytes)
      })
    )
  })
})

describe("Csv", () => {
  it("quotes what needs it", () => {
    assert.strictEqual(
      Csv.line(["a,b", 'say "hi"', "two\nlines", 1.5, undefined, true]),
      '"a,b","say ""hi""","two\nlines",1.5,,true\r\n'
    )
  })

  it("lists areas with shares of what is not ignored", () => {
    const map = { ...fromDigits(["0119"]), ignoreIndex: 9 }
    assert.strictEqual(
      Csv.areas(map, classes),
      `class_id,class,pixels,share\r\n0,zero,1,${1 / 3}\r\n1,one,2,${2 / 3}\r\n`
    )
  })

  it("lists regions, a field for every column", () => {
    const regions = Regions.fromLabelMap(fromDigits(["01", "01"]), { classes, exclude: [0] })
    const [head, row] = Csv.regions(regions).split("\r\n")
    assert.strictEqual(head!.split(",").length, row!.split(",").length)
    assert.isTrue(row!.startsWith("1,one,2,1,0,1,2,1,0.5,"))
  })
})
