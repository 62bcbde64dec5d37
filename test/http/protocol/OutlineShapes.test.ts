/** What few points or nested rings draw: labelme's and CVAT's shapes, COCO's rings, holes, GeoJSON, points as texts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { drawn, rectangle, refused } from "./outlines.ts"

const outer = rectangle(10, 8, 20, 16)
const inner = rectangle(14, 12, 8, 4)
const other = rectangle(34, 8, 8, 4)
const box = { x: 10, y: 8, width: 20, height: 16 }
/** The same as rows of pixels. */
const rows = Array.from({ length: 32 }, (_, y) =>
  Array.from({ length: 48 }, (__, x) => Number(x >= 10 && x < 30 && y >= 8 && y < 24))
)
const closed = (ring: ReadonlyArray<readonly [number, number]>) => [...ring, ring[0]!]
const list = (...things: ReadonlyArray<Record<string, unknown>>) => ({
  predictions: things.map((thing) => ({ label: "pit", ...thing }))
})
const feature = (geometry: unknown, properties: Record<string, unknown> = { label: "pit" }) => ({
  type: "Feature",
  id: 7,
  properties,
  geometry
})

describe("shapes that points say", () => {
  const corners = [
    [10, 8],
    [30, 24]
  ]
  it.effect("are a rectangle of two corners, of four, or of four numbers", () =>
    Effect.gen(function* () {
      for (const thing of [
        { points: corners, shape_type: "rectangle" },
        { points: [corners[1], corners[0]], shape_type: "Rectangle" },
        { points: corners.map(([x, y]) => ({ x, y })), shape_type: "rectangle" },
        { points: outer, shape_type: "rectangle" },
        { points: corners.flat(), type: "rectangle", rotation: 0 },
        { points: outer, shape_type: "polygon" },
        { points: outer, shape_type: null },
        { points: outer, shape_type: "rotation" },
        { points: outer, type: "polygonlabels" },
        { points: outer, type: "defect", shape: "round" },
        { points: outer, shape_type: "freehand" },
        { points: outer, shape_type: "irregular" },
        { points: outer, geometry_type: "complex_polygon" },
        { points: outer, shape: "circle" },
        { polygon: outer, shape: "circle" },
        { polygon: outer, type: "line" },
        { polygons: [outer], shape_type: "line" },
        { segmentation: [outer.flat()], shape_type: "circle" },
        { mask: rows, shape: "circle" },
        { mask: rows, type: "lines" },
        { mask: rows, shape_type: "line" },
        { polygon: outer, holes: 0 },
        { polygon: outer, holes: false },
        { polygon: outer, interior: false },
        { polygon: outer, interior: "wood" },
        { polygon: outer, interior: ["wood"] },
        { points: closed(outer) },
        { points: outer.toReversed() },
        { points: "10,8 30,8 30,24 10,24" },
        { points: "10.0,8.0;30.0,8.0;30.0,24.0;10.0,24.0", type: "polygon" },
        { polygon: { exterior: outer, interiors: [] } },
        { contour: outer },
        { points: { x: [10, 30, 30, 10], y: [8, 8, 24, 24] } }
      ])
        assert.deepStrictEqual(yield* drawn(list(thing)), { ...box, area: 320 }, JSON.stringify(thing))
    })
  )

  it.effect("are a circle of its centre and a point on the rim, on its own picture", () =>
    Effect.gen(function* () {
      const circle = {
        points: [
          [20, 16],
          [28, 16]
        ],
        shape_type: "circle"
      }
      const { area, ...around } = yield* drawn(list(circle))
      assert.deepStrictEqual(around, { x: 12, y: 8, width: 16, height: 16 })
      assert.closeTo(area, Math.PI * 64, 8)
      const half = yield* drawn({ ...list(circle), imageWidth: 96, imageHeight: 64 })
      assert.deepStrictEqual({ ...half, area: 0 }, { x: 6, y: 4, width: 8, height: 8, area: 0 })
      assert.closeTo(half.area, Math.PI * 16, 5)
    })
  )

  it.effect("without an area, turned, unknown or of other points are refused", () =>
    Effect.gen(function* () {
      for (const [thing, said] of [
        [{ points: outer, shape_type: "line" }, /`predictions.0.points`: it is a line, which has no area/],
        [{ points: outer, shape_type: "linestrip" }, /a linestrip, which has no area/],
        [{ points: [[3, 4]], shape_type: "point" }, /a point, which has no area/],
        [{ points: outer, shape_type: "points" }, /a points, which has no area/],
        [{ points: outer, type: "polyline" }, /a polyline, which has no area/],
        [{ points: outer.flat(), shape_type: "ellipse" }, /an? ellipse, a shape that is not read/],
        [{ points: outer, shape_type: "circle" }, /a circle has two points/],
        [{ points: corners, shape_type: "rectangle", rotation: 30 }, /turned by 30/],
        [{ points: corners }, /too few points/],
        [{ mask: "iVBORw0KGgo=", points: corners, shape_type: "mask" }, /as large as its points say/]
      ] as const)
        assert.match(yield* refused(list(thing)), said)
    })
  )
})

describe("rings within rings", () => {
  it.effect("are added to each other in a segmentation, as COCO has it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* drawn(list({ segmentation: [outer.flat(), inner.flat()] })), {
        ...box,
        area: 320
      })
      const two = yield* drawn(list({ segmentation: [outer.flat(), other.flat()] }))
      assert.deepStrictEqual(two, { x: 10, y: 8, width: 32, height: 16, area: 352 })
      assert.deepStrictEqual(yield* drawn(list({ polygons: [outer, other] })), two)
    })
  )

  it.effect("elsewhere may be holes, and are refused", () =>
    Effect.gen(function* () {
      for (const field of ["polygon", "polygons", "points", "mask"])
        for (const value of [
          [outer, inner],
          [inner.flat(), outer.flat()],
          [outer, inner.toReversed()]
        ])
          assert.match(
            yield* refused(list({ [field]: value })),
            new RegExp(`\`predictions.0.${field}\`: one of its rings lies within another.*holes`)
          )
    })
  )

  it.effect("are holes where that is said", () =>
    Effect.gen(function* () {
      for (const thing of [
        { polygon: outer, holes: [inner] },
        { points: outer, holes: inner },
        { segmentation: [outer.flat()], holes: [inner.flat()] },
        { polygon: outer, interiors: [inner] },
        { polygon: outer, holes: 1, interiors: [inner] },
        { polygon: outer, holes: "14,12 22,12 22,16 14,16" },
        { exterior: outer, interiors: [inner] },
        { polygon: { exterior: outer, interior: [inner] } },
        { polygon: { exterior: closed(outer), holes: [closed(inner)] } }
      ])
        assert.deepStrictEqual(yield* drawn(list(thing)), { ...box, area: 288 }, JSON.stringify(thing))
      assert.deepStrictEqual(yield* drawn(list({ polygons: [outer, other], holes: [inner] })), {
        x: 10,
        y: 8,
        width: 32,
        height: 16,
        area: 320
      })
      const scaled = { ...list({ polygon: outer, holes: [inner] }), image: { width: 96, height: 64 } }
      assert.deepStrictEqual(yield* drawn(scaled), { x: 5, y: 4, width: 10, height: 8, area: 72 })
      for (const holes of [[[1, 2]], 1, true])
        assert.match(yield* refused(list({ points: outer, holes })), /its holes are no rings/)
    })
  )
})

describe("GeoJSON", () => {
  const polygon = { type: "Polygon", coordinates: [closed(outer), closed(inner)] }
  const several = { type: "MultiPolygon", coordinates: [[closed(outer), closed(inner)], [closed(other)]] }

  it.effect("is read with its holes: a geometry, a feature, a collection", () =>
    Effect.gen(function* () {
      for (const body of [
        list({ geometry: polygon }),
        list({ polygon }),
        list({ segmentation: polygon }),
        list({
          geometry: {
            ...polygon,
            coordinates: polygon.coordinates.map((ring) => ring.map(([x, y]) => [x, y, 0]))
          }
        }),
        { predictions: [feature(polygon)] },
        { prediction: feature(polygon) },
        feature(polygon),
        { type: "FeatureCollection", features: [feature(polygon)] },
        {
          result: {
            type: "FeatureCollection",
            features: [feature(polygon, { classId: 1, className: "pit", pixels: 288 })]
          }
        },
        [feature(polygon, { class_id: 3 }), feature(polygon, { class_id: 3 })]
      ])
        assert.deepStrictEqual(yield* drawn(body), { ...box, area: 288 }, JSON.stringify(body).slice(0, 80))
      for (const body of [
        list({ geometry: several }),
        { type: "FeatureCollection", features: [feature(several)] }
      ])
        assert.deepStrictEqual(yield* drawn(body), { x: 10, y: 8, width: 32, height: 16, area: 320 })
      const none = yield* drawn({ type: "FeatureCollection", features: [] })
      assert.strictEqual(none.area, 0)
      // A part in another's hole, before it and behind it.
      const island = closed(rectangle(16, 13, 2, 2))
      for (const coordinates of [
        [[closed(outer), closed(inner)], [island]],
        [[island], [closed(outer), closed(inner)]]
      ])
        assert.strictEqual(
          (yield* drawn(list({ geometry: { type: "MultiPolygon", coordinates } }))).area,
          292
        )
    })
  )

  it.effect("of other geometries, without rings or a label, or of places on the earth, is refused", () =>
    Effect.gen(function* () {
      for (const [body, said] of [
        [list({ geometry: { type: "LineString", coordinates: outer } }), /its geometry is a LineString/],
        [list({ geometry: { type: "Point", coordinates: [1, 2] } }), /its geometry is a Point/],
        [list({ geometry: { type: "Polygon", coordinates: outer } }), /its Polygon has no rings/],
        [list({ geometry: { type: "Polygon", coordinates: [] } }), /its Polygon has no rings/],
        [
          list({ geometry: { type: "MultiPolygon", coordinates: polygon.coordinates } }),
          /its MultiPolygon has no rings/
        ],
        [feature({ type: "Point", coordinates: [1, 2] }), /`geometry`: its geometry is a Point/],
        [{ predictions: [feature(polygon, {})] }, /neither a label nor a class id/],
        [{ type: "FeatureCollection", features: [feature(null)] }, /there is none/],
        [
          list({ geometry: { type: "Polygon", coordinates: [closed(rectangle(-73, 40, 2, 2))] } }),
          /a point at -73, 40/
        ]
      ] as const)
        assert.match(yield* refused(body), said)
    })
  )
})
