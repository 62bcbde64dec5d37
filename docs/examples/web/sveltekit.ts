/** SvelteKit: `src/routes/api/segformer/[...path]/+server.ts`. */
import { handler } from "./segmenter.ts"

/** What a route gets of its `RequestEvent`. */
interface Event {
  readonly request: Request
  readonly getClientAddress: () => string
}

export const GET = ({ getClientAddress, request }: Event): Promise<Response> =>
  handler(request, { address: getClientAddress() })
export const POST = GET
