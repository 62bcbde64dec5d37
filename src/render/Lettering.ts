/**
 * Letters as lines, for names on pictures: Latin letters, figures and signs, smooth at any size. Accents are left out;
 * what has no letter here is written as a box.
 */
import * as Ink from "./Ink.ts"

/**
 * Width and path of each character, in tenths of the height of a capital, from its top left corner. `M` and `L` are
 * those of SVG; `h` and `v` are a quarter of an ellipse that starts horizontally or vertically.
 */
const GLYPHS: Readonly<Record<string, readonly [width: number, path: string]>> = {
  " ": [2.4, ""],
  "!": [0, "M0 0L0 7M0 9.7L0 9.9"],
  '"': [2, "M0 0L0 2.6M2 0L2 2.6"],
  "#": [6.3, "M2 0L1.2 10M5.2 0L4.4 10M0.3 3.2L6.3 3.2M0 6.8L6 6.8"],
  $: [6, "M5.9 2.4v3 0h0.2 2.5v3 4.8h6 7.4v3 10h0 7.5M3 -1L3 11"],
  "%": [8.4, "M7.2 0L1.2 10M3.2 2.2v1.6 4.4h0 2.2v1.6 0h3.2 2.2M8.4 7.8v6.8 10h5.2 7.8v6.8 5.6h8.4 7.8"],
  "&": [6.8, "M6.8 10L1.2 2.9v2.9 0h4.5 2.2v2.2 5h0 7.4v2.7 10h6.4 5.8"],
  "'": [0, "M0 0L0 2.6"],
  "(": [2, "M2 -1L0.6 1.6L0 5L0.6 8.4L2 11"],
  ")": [2, "M0 -1L1.4 1.6L2 5L1.4 8.4L0 11"],
  "*": [4, "M2 0L2 4M0.2 1L3.8 3M3.8 1L0.2 3"],
  "+": [6, "M3 2L3 8M0 5L6 5"],
  ",": [0.6, "M0.6 9.6L0 11.6"],
  "-": [3.4, "M0 5.8L3.4 5.8"],
  ".": [0, "M0 9.7L0 9.9"],
  "/": [4.4, "M4.4 -0.6L0 10.8"],
  "0": [5.8, "M5.8 3.2L5.8 6.8v2.9 10h0 6.8L0 3.2v2.9 0h5.8 3.2"],
  "1": [5.8, "M1 2L3.4 0L3.4 10"],
  "2": [5.8, "M0.2 2.8v2.9 0h5.6 2.8v4.4 5.6L0 10L5.8 10"],
  "3": [5.8, "M0.3 2.2v2.8 0h5.4 2.4v2.6 4.7h5.8 7.3v2.8 10h0 7.7"],
  "4": [5.8, "M4.4 10L4.4 0L0 7.2L5.8 7.2"],
  "5": [5.8, "M5.3 0L0.8 0L0.4 5v2.9 3.8h5.8 6.9v2.8 10h0 8"],
  "6": [5.8, "M5.3 1.6v3.3 0h0 4.4L0 6.9v2.9 10h5.8 6.9v2.9 3.9h0 6.9"],
  "7": [5.8, "M0 0L5.8 0L2 10"],
  "8": [5.8, "M2.9 4.6h5.4 2.3v2.9 0h0.4 2.3v2.9 4.6h5.8 7.3v2.9 10h0 7.3v2.9 4.6"],
  "9": [5.8, "M0.5 8.4v2.5 10h5.8 5.6L5.8 3.1v2.9 0h0 3.1v2.9 6.1h5.8 3.2"],
  ":": [0, "M0 4L0 4.2M0 9.7L0 9.9"],
  ";": [0.6, "M0.5 4L0.5 4.2M0.6 9.6L0 11.6"],
  "<": [5, "M5 2L0 5L5 8"],
  "=": [5.6, "M0 3.6L5.6 3.6M0 6.4L5.6 6.4"],
  ">": [5, "M0 2L5 5L0 8"],
  "?": [5, "M0 2.4v2.6 0h5 2.4v2.5 6L2.5 7M2.5 9.7L2.5 9.9"],
  "@": [9, "M6.8 5v4.6 3h2.4 5v4.6 7h6.8 5L6.8 6v8 7.4h9 5v4.5 0h0 5v4.5 10L7.4 9.2"],
  A: [7, "M0 10L3.5 0L7 10M1.2 6.7L5.8 6.7"],
  B: [6.2, "M0 0L0 10L3.6 10h6.2 7.3v3.6 4.7L0 4.7M3.6 4.7h5.8 2.35v3.6 0L0 0"],
  C: [6.6, "M6.6 2.6v3.6 0h0 3.4L0 6.6v3.6 10h6.6 7.4"],
  D: [6.4, "M0 0L0 10L2.8 10h6.4 6.2L6.4 3.8v2.8 0L0 0"],
  E: [5.6, "M5.6 0L0 0L0 10L5.6 10M0 4.8L4.8 4.8"],
  F: [5.4, "M5.4 0L0 0L0 10M0 4.8L4.6 4.8"],
  G: [7, "M6.7 2.4v3.6 0h0 3.4L0 6.6v3.6 10h7 6.8L7 5.4L4.2 5.4"],
  H: [6.4, "M0 0L0 10M6.4 0L6.4 10M0 4.8L6.4 4.8"],
  I: [0, "M0 0L0 10"],
  J: [4.6, "M4.6 0L4.6 7.2v2.2 10h0 7.8"],
  K: [6.2, "M0 0L0 10M6 0L0 6.2M2.2 4L6.2 10"],
  L: [5.2, "M0 0L0 10L5.2 10"],
  M: [8, "M0 10L0 0L4 7L8 0L8 10"],
  N: [6.6, "M0 10L0 0L6.6 10L6.6 0"],
  O: [7.2, "M7.2 3.6L7.2 6.4v3.6 10h0 6.4L0 3.6v3.6 0h7.2 3.6"],
  P: [6, "M0 10L0 0L3.4 0h6 2.8v3.4 5.6L0 5.6"],
  Q: [7.2, "M7.2 3.6L7.2 6.4v3.6 10h0 6.4L0 3.6v3.6 0h7.2 3.6M4.6 7.4L7.2 10.4"],
  R: [6.2, "M0 10L0 0L3.4 0h6 2.8v3.4 5.6L0 5.6M3.2 5.6L6.2 10"],
  S: [6, "M5.9 2.4v3 0h0.2 2.5v3 4.8h6 7.4v3 10h0 7.5"],
  T: [6.8, "M0 0L6.8 0M3.4 0L3.4 10"],
  U: [6.4, "M0 0L0 6.6v3.2 10h6.4 6.6L6.4 0"],
  V: [7, "M0 0L3.5 10L7 0"],
  W: [9.6, "M0 0L2.4 10L4.8 1.6L7.2 10L9.6 0"],
  X: [6.4, "M0 0L6.4 10M6.4 0L0 10"],
  Y: [6.8, "M0 0L3.4 5L6.8 0M3.4 5L3.4 10"],
  Z: [6, "M0 0L6 0L0 10L6 10"],
  "[": [2, "M2 -1L0 -1L0 11L2 11"],
  "\\": [4.4, "M0 -0.6L4.4 10.8"],
  "]": [2, "M0 -1L2 -1L2 11L0 11"],
  "^": [4.8, "M0 3L2.4 0L4.8 3"],
  _: [6, "M0 11.4L6 11.4"],
  "`": [1.2, "M0 0L1.2 1.6"],
  a: [5.2, "M0.6 4.4v2.8 3h5.2 5.4L5.2 10M5.2 6.2L2.2 6.2h0 8.1v2.2 10h5.2 7.8"],
  b: [5.8, "M0 0L0 10M0 6.5v2.9 3h5.8 6.5v2.9 10h0 6.5"],
  c: [5.2, "M5.2 4.6v2.8 3h0 6.5v2.8 10h5.2 8.4"],
  d: [5.8, "M5.8 0L5.8 10M5.8 6.5v2.9 3h0 6.5v2.9 10h5.8 6.5"],
  e: [5.8, "M0 6.5L5.8 6.5v2.9 3h0 6.5v2.9 10h5.4 8.5"],
  f: [3.7, "M3.8 0h1.5 2.3L1.5 10M0 3.4L3.5 3.4"],
  g: [5.8, "M5.8 6.5v2.9 3h0 6.5v2.9 10h5.8 6.5M5.8 3L5.8 10.6v2.9 13.2h0.5 12"],
  h: [5.2, "M0 0L0 10M0 5.8v2.7 3h5.2 5.6L5.2 10"],
  i: [0, "M0 3L0 10M0 0.3L0 0.5"],
  j: [1.4, "M1.4 3L1.4 11v0 13.2M1.4 0.3L1.4 0.5"],
  k: [5.2, "M0 0L0 10M4.8 3L0 7.4M1.8 5.8L5.2 10"],
  l: [1.5, "M0 0L0 8.4v1.5 10"],
  m: [8.8, "M0 3L0 10M0 5.6v2.2 3h4.4 5.4L4.4 10M4.4 5.6v6.6 3h8.8 5.4L8.8 10"],
  n: [5.2, "M0 3L0 10M0 5.8v2.7 3h5.2 5.6L5.2 10"],
  o: [5.8, "M5.8 6.5v2.9 10h0 6.5v2.9 3h5.8 6.5"],
  p: [5.8, "M0 3L0 13.2M0 6.5v2.9 3h5.8 6.5v2.9 10h0 6.5"],
  q: [5.8, "M5.8 3L5.8 13.2M5.8 6.5v2.9 3h0 6.5v2.9 10h5.8 6.5"],
  r: [3.2, "M0 3L0 10M0 6.2v2.8 3L3.2 3"],
  s: [4.8, "M4.6 4.6v2.4 3h0.2 4.7v2.4 6.4h4.8 8.2v2.4 10h0 8.4"],
  t: [3.7, "M1.5 0.8L1.5 7.8v3.7 10M0 3.4L3.6 3.4"],
  u: [5.2, "M0 3L0 7.4v2.5 10h5.2 7.2M5.2 3L5.2 10"],
  v: [5.4, "M0 3L2.7 10L5.4 3"],
  w: [8, "M0 3L2 10L4 3.8L6 10L8 3"],
  x: [5, "M0 3L5 10M5 3L0 10"],
  y: [5.6, "M0 3L2.8 10M5.6 3L2.5 11.4v0.3 13.2"],
  z: [4.8, "M0 3L4.8 3L0 10L4.8 10"],
  "{": [2.4, "M2.4 -1L1 0L1 4L0 5L1 6L1 10L2.4 11"],
  "|": [0, "M0 -1L0 11"],
  "}": [2.4, "M0 -1L1.4 0L1.4 4L2.4 5L1.4 6L1.4 10L0 11"],
  "~": [5.2, "M0 5.8L1.3 4.6L3.9 5.8L5.2 4.6"]
}

/** What is written for what has no letter. */
const BOX = [5, "M0 0L5 0L5 10L0 10L0 0"] as const
const SAME: Readonly<Record<string, string>> = { "×": "x", "–": "-", "—": "-", "−": "-", "’": "'", "\u00A0": " " }

const SPACING = 2.1

const charactersOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.normalize("NFD").replaceAll(/\p{M}+/gu, ""), (character) => SAME[character] ?? character)

const glyphOf = (character: string) => GLYPHS[character] ?? BOX

/** The width of a line of text whose capitals are so high, in pixels. */
export const measure = (text: string, height: number): number => {
  const characters = charactersOf(text)
  const units = characters.reduce((sum, character) => sum + glyphOf(character)[0] + SPACING, 0)
  return characters.length === 0 ? 0 : ((units - SPACING) * height) / 10
}

/** The text, cut to a width and ended by two dots where it does not fit. */
export const fit = (text: string, height: number, width: number): string => {
  if (measure(text, height) <= width) return text
  const characters = Array.from(text)
  while (characters.length > 1 && measure(`${characters.join("")}..`, height) > width) characters.pop()
  return `${characters.join("").trimEnd()}..`
}

/** Writes a line of text; `x`, `y` is the top left corner of its capitals, in pixels. */
export const write = (ink: Ink.Ink, text: string, x: number, y: number, height: number): void => {
  const unit = height / 10
  const thickness = Math.max(1.15, height * 0.135)
  let left = x
  for (const character of charactersOf(text)) {
    const [width, path] = glyphOf(character)
    for (const [from, to] of segments(path)) {
      Ink.line(
        ink,
        [left + from[0] * unit, y + from[1] * unit],
        [left + to[0] * unit, y + to[1] * unit],
        thickness
      )
    }
    left += (width + SPACING) * unit
  }
}

type Point = readonly [number, number]

/** Lines that a quarter of an ellipse is made of. */
const PIECES = 6

const parsed = new Map<string, ReadonlyArray<readonly [Point, Point]>>()

/** The straight lines of a path. */
const segments = (path: string): ReadonlyArray<readonly [Point, Point]> => {
  const known = parsed.get(path)
  if (known !== undefined) return known
  const out: Array<readonly [Point, Point]> = []
  let at: Point = [0, 0]
  for (const [, command, numbers] of path.matchAll(/([MLhv])([^MLhv]*)/g)) {
    const [x = 0, y = 0] = (numbers ?? "").trim().split(" ").map(Number)
    const [x0, y0]: Point = at
    const to = (point: Point) => {
      out.push([at, point])
      at = point
    }
    if (command === "M") at = [x, y]
    else if (command === "L") to([x, y])
    else {
      for (let i = 1; i <= PIECES; i++) {
        const angle = (i * Math.PI) / 2 / PIECES
        const early = Math.sin(angle)
        const late = 1 - Math.cos(angle)
        to(
          command === "h"
            ? [x0 + (x - x0) * early, y0 + (y - y0) * late]
            : [x0 + (x - x0) * late, y0 + (y - y0) * early]
        )
      }
    }
  }
  parsed.set(path, out)
  return out
}
