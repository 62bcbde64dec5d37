/** Draws what a stage shows: the picture, its overlays, marks and the ruler's line, at the pixels of the screen. */
import * as Marks from "./Marks.ts"
import { colors, type Emphasis, type Look, paint, type Unsure } from "./Overlay.ts"
import type { Box, FoundClass, Region, Result } from "./Result.ts"
import * as View from "./View.ts"

/** What is on the right of the divider: a second result, or the picture alone. */
export type Other = Result | "picture" | undefined

/** All that a drawing depends on. */
export interface Scene {
  readonly bitmap: ImageBitmap | undefined
  /** A part of the picture at more pixels. */
  readonly close: { readonly bitmap: ImageBitmap; readonly box: Box } | undefined
  readonly size: View.Size
  readonly room: View.Size
  readonly view: View.View
  readonly left: Result | undefined
  readonly right: Other
  /** Of the part of the frame that the picture covers, 0 to 1. */
  readonly divider: number
  /** Two views side by side. */
  readonly isTwin: boolean
  /** 0 to 1. */
  readonly opacity: number
  readonly look: (one: FoundClass) => Look
  /** 0 to 255. */
  readonly least: number
  readonly emphasis: Emphasis | undefined
  /** Regions whose marks are always shown. */
  readonly marked: ReadonlyArray<Region>
  readonly line: { readonly from: View.Point; readonly to: View.Point } | undefined
}

/** Pixels of an overlay at most: more are painted at half the screen's. */
const painted = 1_600_000
/** Pixels of the canvas at most. */
const drawn = 6_000_000

/** Pixels of the canvas for one of CSS. */
export const ratio = ({ height, width }: View.Size): number =>
  Math.min(devicePixelRatio, Math.sqrt(drawn / (width * height)))

export interface Painter {
  readonly draw: (scene: Scene) => void
  /** Frees what is kept between drawings. */
  readonly clear: () => void
}

export const make = (canvas: HTMLCanvasElement): Painter => {
  const context = canvas.getContext("2d", { alpha: false })
  const layer = document.createElement("canvas")
  if (context === null) return { draw: () => undefined, clear: () => undefined }

  const draw = (scene: Scene) => {
    const { divider, left, right, room, view } = scene
    const scale = ratio(room)
    const [width, height] = [Math.round(room.width * scale), Math.round(room.height * scale)]
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    context.fillStyle = getComputedStyle(canvas).backgroundColor
    context.fillRect(0, 0, width, height)
    if (scene.isTwin) {
      const frame = { width: room.width / 2, height: room.height }
      for (const [shown, shift] of [
        [left, 0],
        [right, room.width / 2]
      ] as const) {
        context.save()
        context.beginPath()
        context.rect(shift * scale, 0, frame.width * scale, height)
        context.clip()
        context.translate(shift * scale, 0)
        base(scene, scale)
        part(scene, shown, View.covered(view, scene.size, frame), scale)
        above(scene, scale)
        context.restore()
      }
      return
    }
    const seen = View.covered(view, scene.size, room)
    base(scene, scale)
    const edge = right === undefined ? seen.x + seen.width : seen.x + seen.width * divider
    part(scene, left, { ...seen, width: edge - seen.x }, scale)
    part(scene, right, { ...seen, x: edge, width: seen.x + seen.width - edge }, scale)
    above(scene, scale)
  }

  /** The picture itself. */
  const base = ({ bitmap, close, size, view }: Scene, scale: number) => {
    context.imageSmoothingQuality = "high"
    // Enlarged pixels are shown as such: they are what the model saw.
    context.imageSmoothingEnabled = view.scale * scale < 3
    const put = (image: ImageBitmap, box: Box) =>
      context.drawImage(
        image,
        (box.x * view.scale + view.left) * scale,
        (box.y * view.scale + view.top) * scale,
        box.width * view.scale * scale,
        box.height * view.scale * scale
      )
    if (bitmap !== undefined) put(bitmap, { x: 0, y: 0, ...size })
    if (close !== undefined) put(close.bitmap, close.box)
  }

  /** What was found, over part of the frame. */
  const part = (scene: Scene, shown: Other, seen: Box, scale: number) => {
    if (typeof shown !== "object" || seen.width <= 0 || seen.height <= 0) return
    const { emphasis, least, look, opacity, size, view } = scene
    const [x, y] = [Math.floor(seen.x * scale), Math.floor(seen.y * scale)]
    const full = Math.max(1, Math.round((seen.x + seen.width) * scale) - x)
    const tall = Math.max(1, Math.round((seen.y + seen.height) * scale) - y)
    const coarse = full * tall > painted ? 2 : 1
    const [width, height] = [Math.ceil(full / coarse), Math.ceil(tall / coarse)]
    const { confidence, labels } = shown
    // Of the map, for one pixel of the picture.
    const [mapX, mapY] = [labels.width / size.width, labels.height / size.height]
    const step = coarse / (scale * view.scale)
    const image = new ImageData(width, height)
    const unsure: Unsure | undefined =
      least > 0 && confidence !== undefined ? { confidence, least } : undefined
    // A region is the left result's own.
    const own = shown === scene.left ? emphasis : emphasis && { ...emphasis, region: undefined }
    paint(
      {
        pixels: new Uint32Array(image.data.buffer),
        width,
        left: ((x / scale - view.left) / view.scale) * mapX,
        top: ((y / scale - view.top) / view.scale) * mapY,
        stepX: step * mapX,
        stepY: step * mapY
      },
      labels,
      colors(shown.classes, look, opacity, own),
      own?.region,
      unsure
    )
    if (layer.width !== width || layer.height !== height) Object.assign(layer, { width, height })
    layer.getContext("2d")?.putImageData(image, 0, 0)
    context.imageSmoothingEnabled = false
    context.drawImage(layer, 0, 0, width, height, x, y, width * coarse, height * coarse)
  }

  /** Marks, and the ruler's line. */
  const above = ({ left, line, look, marked, right, view }: Scene, scale: number) => {
    if (left !== undefined && right !== "picture") {
      const color = ({ className }: Region) => {
        const of = left.classes.find(({ name }) => name === className)
        return of && look(of).opacity > 0 ? look(of).color : undefined
      }
      const visible = left.regions.filter((region) => color(region) !== undefined)
      Marks.draw(context, Marks.of(visible, marked, view, color), scale)
    }
    if (line === undefined) return
    const [from, to] = [View.toScreen(view, line.from), View.toScreen(view, line.to)]
    context.lineCap = "round"
    for (const [style, wide] of [
      ["rgb(0 0 0 / 75%)", 5],
      ["#ffffff", 2]
    ] as const) {
      context.beginPath()
      context.moveTo(from.x * scale, from.y * scale)
      context.lineTo(to.x * scale, to.y * scale)
      context.lineWidth = wide * scale
      context.strokeStyle = style
      context.stroke()
    }
  }

  return {
    draw,
    clear: () => {
      canvas.width = layer.width = 0
    }
  }
}
