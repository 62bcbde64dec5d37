/** The part of a large picture that is looked at closely, decoded at its own pixels a moment after the view has come to rest. */
import * as Bitmap from "./Bitmap.ts"
import type { Box } from "./Result.ts"
import { covered, type Size, toPicture, type View } from "./View.ts"

export interface Detail {
  /** What is there, with its place in the picture. */
  readonly shown: () => { readonly bitmap: ImageBitmap; readonly box: Box } | undefined
  /** Tells of a view; loads what it needs beyond the preview. */
  readonly see: (view: View, frame: Size, ratio: number) => void
  /** Another picture, or none. */
  readonly picture: (file: Blob | undefined, size: Size, preview: Size) => void
}

/** Milliseconds for which a view has to rest. */
const rest = 180
/** Pixels kept at most. */
const kept = 8_000_000

export const make = (onLoad: () => void): Detail => {
  let file: Blob | undefined
  let size: Size = { width: 0, height: 0 }
  let preview: Size = size
  let shown: { readonly bitmap: ImageBitmap; readonly box: Box } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let turn = 0

  const drop = () => {
    shown?.bitmap.close()
    shown = undefined
  }

  /** What is seen and half as much on each side, in whole pixels of the picture. */
  const wanted = (view: View, frame: Size): Box => {
    const seen = covered(view, size, frame)
    const from = toPicture(view, { x: seen.x - seen.width / 2, y: seen.y - seen.height / 2 })
    const to = toPicture(view, { x: seen.x + seen.width * 1.5, y: seen.y + seen.height * 1.5 })
    const x = Math.max(0, Math.floor(from.x))
    const y = Math.max(0, Math.floor(from.y))
    return {
      x,
      y,
      width: Math.min(size.width, Math.ceil(to.x)) - x,
      height: Math.min(size.height, Math.ceil(to.y)) - y
    }
  }

  const covers = (view: View, frame: Size): boolean => {
    if (shown === undefined) return false
    const seen = covered(view, size, frame)
    const from = toPicture(view, seen)
    const to = toPicture(view, { x: seen.x + seen.width, y: seen.y + seen.height })
    const { height, width, x, y } = shown.box
    return from.x >= x && from.y >= y && to.x <= x + width && to.y <= y + height
  }

  const load = async (box: Box) => {
    const own = ++turn
    const of = file
    if (of === undefined || box.width < 1 || box.height < 1) return
    const whole = await Bitmap.open(of)
    if (whole === undefined) return
    const scale = Math.min(1, Math.sqrt(kept / (box.width * box.height)))
    const bitmap = await createImageBitmap(whole, box.x, box.y, box.width, box.height, {
      resizeWidth: Math.max(1, Math.round(box.width * scale)),
      resizeHeight: Math.max(1, Math.round(box.height * scale)),
      resizeQuality: "high"
    }).catch(() => undefined)
    whole.close()
    if (bitmap === undefined) return
    if (own !== turn || of !== file) {
      bitmap.close()
      return
    }
    drop()
    shown = { bitmap, box }
    onLoad()
  }

  return {
    shown: () => shown,
    see: (view, frame, ratio) => {
      clearTimeout(timer)
      const isEnough = view.scale * ratio <= (preview.width / size.width) * 1.2
      if (file === undefined || preview.width >= size.width || isEnough || covers(view, frame)) return
      timer = setTimeout(() => void load(wanted(view, frame)), rest)
    },
    picture: (next, whole, small) => {
      clearTimeout(timer)
      turn++
      drop()
      file = next
      size = whole
      preview = small
    }
  }
}
