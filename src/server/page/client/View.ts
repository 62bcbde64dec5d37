/**
 * Which part of a picture is on the screen. Pure: places of the screen are CSS pixels from the frame's top left corner,
 * places of the picture its own pixels.
 */
import type { Box } from "./Result.ts"

export interface Size {
  readonly width: number
  readonly height: number
}

export interface Point {
  readonly x: number
  readonly y: number
}

export interface View {
  /** Pixels of the screen for one of the picture. */
  readonly scale: number
  /** Where the picture's left top corner stands in the frame. */
  readonly left: number
  readonly top: number
}

/** The whole picture in the frame; a small one is enlarged, to a point. */
export const fit = (picture: Size, frame: Size): View => {
  const scale = fitScale(picture, frame)
  return clamp({ scale, left: 0, top: 0 }, picture, frame)
}

export const fitScale = (picture: Size, frame: Size): number =>
  Math.min(frame.width / picture.width, frame.height / picture.height, Math.max(1, 640 / picture.width))

/** The most that one pixel of the picture may take of the screen. */
const mostScale = 48

/** Within the limits of scale, and no emptier than it has to be: what is smaller than the frame stands in its middle. */
export const clamp = (view: View, picture: Size, frame: Size): View => {
  const least = fitScale(picture, frame)
  const scale = Math.min(Math.max(view.scale, least), Math.max(least, mostScale))
  const along = (place: number, whole: number, room: number) =>
    whole <= room ? (room - whole) / 2 : Math.min(0, Math.max(room - whole, place))
  return {
    scale,
    left: along(view.left, picture.width * scale, frame.width),
    top: along(view.top, picture.height * scale, frame.height)
  }
}

/** At another scale, with what stands at a point of the screen staying there. */
export const zoomAt = (view: View, at: Point, scale: number, picture: Size, frame: Size): View => {
  const to = clamp({ ...view, scale }, picture, frame).scale
  const factor = to / view.scale
  return clamp(
    { scale: to, left: at.x - (at.x - view.left) * factor, top: at.y - (at.y - view.top) * factor },
    picture,
    frame
  )
}

/** With a point of the picture in the frame's middle. */
export const centered = (at: Point, scale: number, picture: Size, frame: Size): View => {
  const to = clamp({ scale, left: 0, top: 0 }, picture, frame).scale
  return clamp(
    { scale: to, left: frame.width / 2 - at.x * to, top: frame.height / 2 - at.y * to },
    picture,
    frame
  )
}

/** A box of the picture in the middle, with so much around it that one sees where it is. */
export const around = (box: Box, picture: Size, frame: Size): View => {
  const room = Math.min(frame.width / (box.width * 3), frame.height / (box.height * 3), 16)
  return centered({ x: box.x + box.width / 2, y: box.y + box.height / 2 }, room, picture, frame)
}

/** Part of the way from one view to another, in steps of scale that look even. */
export const between = (from: View, to: View, part: number): View => {
  const scale = from.scale * (to.scale / from.scale) ** part
  // What the two views have at the same place of the screen stays there; where they only differ by a shift, that is even.
  const share = to.scale === from.scale ? part : (scale - from.scale) / (to.scale - from.scale)
  return {
    scale,
    left: from.left + (to.left - from.left) * share,
    top: from.top + (to.top - from.top) * share
  }
}

/** A place of the screen as one of the picture; with fractions. */
export const toPicture = (view: View, at: Point): Point => ({
  x: (at.x - view.left) / view.scale,
  y: (at.y - view.top) / view.scale
})

export const toScreen = (view: View, at: Point): Point => ({
  x: at.x * view.scale + view.left,
  y: at.y * view.scale + view.top
})

/** What of the frame the picture covers. */
export const covered = (view: View, picture: Size, frame: Size): Box => {
  const x = Math.max(0, view.left)
  const y = Math.max(0, view.top)
  return {
    x,
    y,
    width: Math.max(0, Math.min(frame.width, view.left + picture.width * view.scale) - x),
    height: Math.max(0, Math.min(frame.height, view.top + picture.height * view.scale) - y)
  }
}
