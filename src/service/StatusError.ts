/** Which error a status is. Apart from the errors, since only an answer that failed needs it. */
import type { Duration } from "effect"
import {
  ModelLoading,
  NotFound,
  RateLimited,
  RequestRejected,
  type ServiceError,
  ServiceFailed,
  ServiceUnavailable,
  Unauthorized
} from "./ServiceError.ts"
import { excerpt, ResponseNotDecodable } from "./WireError.ts"

/** The error of a status that is no success. */
export const fromStatus = (options: {
  readonly service: string
  readonly status: number
  readonly detail: string
  readonly code?: string | undefined
  readonly requestId?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
  /** The service says that its model is not loaded. */
  readonly loading?: boolean | undefined
  /** A file that it named was asked for. */
  readonly file?: boolean | undefined
}): ServiceError => {
  const { code, file, loading, retryAfter, ...rest } = options
  const fields = {
    ...rest,
    detail: excerpt(rest.detail),
    ...(code === undefined ? {} : { code: excerpt(code) })
  }
  const timed = { ...fields, retryAfter }
  const { status } = options
  if (loading === true) return new ModelLoading(timed)
  if (status === 429) return new RateLimited(timed)
  if (status === 401 || status === 403) return new Unauthorized(fields)
  if (status === 404 || status === 410) return new NotFound(file === true ? { ...fields, file } : fields)
  if (status >= 400 && status < 500) return new RequestRejected(timed)
  if (status >= 502 && status <= 504) return new ServiceUnavailable(timed)
  if (status >= 500 && status < 600) return new ServiceFailed(timed)
  return new ResponseNotDecodable({
    service: options.service,
    requestId: options.requestId,
    status,
    path: "",
    detail: `status ${status} is none that this protocol knows`,
    excerpt: fields.detail
  })
}
