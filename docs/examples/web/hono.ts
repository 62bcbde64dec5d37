/** Hono, on any runtime that it knows. */
import { Hono } from "hono"
import { handler } from "./segmenter.ts"

export const app = new Hono()
app.get("/", (context) => context.text("The segmenter is at /api/segformer"))
app.all("/api/segformer/*", (context) => handler(context.req.raw))
