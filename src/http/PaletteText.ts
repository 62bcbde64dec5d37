/** Palettes in files: few settings name one. In a module of its own, since who has masks has that of the masks at once. */
export { parse } from "../mask/PaletteFile.ts"
