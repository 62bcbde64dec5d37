/** Next.js: `app/api/segformer/[...path]/route.ts`. */
import { handler } from "./segmenter.ts"

export const runtime = "nodejs"

export const GET = (request: Request): Promise<Response> => handler(request)
export const POST = GET
