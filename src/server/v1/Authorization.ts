/** Says in the contract that a token is asked for, as bearer's or as password, and how one is refused. It is looked at before any route. */
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { ofTokens } from "../RefusalStatus.ts"
import { withStatus } from "./ApiError.ts"

export class Authorization extends HttpApiMiddleware.Service<Authorization>()(
  "effect-segformer/server/v1/Authorization",
  { security: { bearer: HttpApiSecurity.bearer, basic: HttpApiSecurity.basic }, error: withStatus(ofTokens) }
) {}
