/** The models that the server has, and the choice among them. */
import { type Model, models as listModels } from "./Api.ts"
import { byId, h } from "./Dom.ts"
import { Failure } from "./Failure.ts"
import * as Notices from "./Notices.ts"
import { sentence } from "./Text.ts"
import { messageOf } from "./Text.ts"

const select = byId("model", HTMLSelectElement)

let models: ReadonlyArray<Model> = []

/** Empty until the list has come. */
export const all = (): ReadonlyArray<Model> => models

export const classesOf = (model: string): Model["classes"] =>
  models.find(({ name }) => name === model)?.classes ?? []

/** The one that is chosen; empty for the server's default while nobody knows more. */
export const chosen = (): string => select.value

export const choose = (name: string): void => {
  select.value = name
}

export const labelOf = ({ isService, name }: Model): string => (isService ? `${name} (service)` : name)

export interface ModelsEvents {
  /** The model of the result that is shown. */
  readonly shown: () => string | undefined
  readonly onList: () => void
  readonly onChoose: () => void
  /** A token is missing, say. */
  readonly onRefuse: (error: Failure, again: () => void) => void
}

/** Longest wait between two times that the list is asked for, in seconds. */
const longestWait = 30

/** To be called once. The list is asked for again by itself: without it the page works, with the server's default. */
export const listen = (events: ModelsEvents): void => {
  const load = async (wait: number): Promise<void> => {
    try {
      models = await listModels()
      Notices.dismiss("models")
      select.replaceChildren(...models.map((one) => h("option", { value: one.name }, labelOf(one))))
      select.value =
        events.shown() ?? models.find(({ isDefault }) => isDefault)?.name ?? models[0]?.name ?? ""
      select.disabled = models.length < 2
      events.onList()
    } catch (error) {
      if (error instanceof Failure && error.status === 401) return events.onRefuse(error, () => void load(1))
      const again = setTimeout(() => void load(Math.min(longestWait, wait * 2)), wait * 1000)
      const now = () => {
        clearTimeout(again)
        void load(1)
      }
      const text = sentence(messageOf(error))
      Notices.warn("models", `The list of models did not come. ${text}`, { name: "Try again", act: now })
    }
  }
  select.addEventListener("change", events.onChoose)
  void load(1)
}
