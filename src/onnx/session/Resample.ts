/** What runs in the session's process; services that take tensors need it as well. */
export * from "../../image/Resample.ts"
