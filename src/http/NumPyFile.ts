/** Arrays of NumPy's: few answers are. In a module of its own, since who has masks has that of the masks at once. */
export { decode } from "../mask/Npy.ts"
