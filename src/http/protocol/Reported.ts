/** A failure that comes with a status of success. */
import type { Answer } from "../../service/Exchange.ts"
import { nothing } from "../../service/Hiding.ts"
import { excerpt, ReportedFailure } from "../../service/ServiceError.ts"

/** An answer whose status is a success and whose content says that it failed. */
export const reported = (answer: Answer, detail: string | undefined): ReportedFailure =>
  new ReportedFailure({
    service: answer.service,
    requestId: answer.requestId,
    status: answer.status,
    detail: excerpt((answer.hide ?? nothing)(detail ?? "it does not say why"))
  })
