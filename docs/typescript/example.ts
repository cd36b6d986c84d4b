// The types that openapi-typescript makes of a stage's openapi.json, with fetch and nothing else.
// `make check` compiles this file against build/typescript/serval.d.ts.
import type { components, paths } from "serval";

type InferenceRequest = components["schemas"]["InferenceRequest"];
type InferenceResponse = components["schemas"]["InferenceResponse"];
type AsyncRequest = components["schemas"]["AsyncRequest"];
type BatchJob = components["schemas"]["BatchJob"];
type ModelRollout = components["schemas"]["ModelRollout"];
type ApiPath = keyof paths;

export class Stage {
  constructor(
    readonly url: string,
    readonly key: string,
  ) {}

  /** Call a path of the API: the template has to be one that the API has. */
  async ask<Answer>(
    method: string,
    path: ApiPath,
    names: Record<string, string> = {},
    body?: unknown,
  ): Promise<Answer> {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(names[name] ?? ""),
    );
    const reply = await fetch(this.url + filled, {
      method,
      headers: { "x-api-key": this.key, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (!reply.ok) {
      const failure = (await reply.json()) as components["schemas"]["Error"];
      throw new Error(`${reply.status}: ${failure.error}`);
    }
    return (await reply.json()) as Answer;
  }

  infer(model: string, request: InferenceRequest): Promise<InferenceResponse> {
    return this.ask("POST", "/v2/models/{model}/infer", { model }, request);
  }

  /** Submit under an id of your own, so that repeating it changes nothing, and wait for the end. */
  async submit(model: string, request: InferenceRequest): Promise<AsyncRequest> {
    const id = crypto.randomUUID();
    const body: components["schemas"]["PutRequest"] = { model, request };
    let found = await this.ask<AsyncRequest>("PUT", "/async/requests/{id}", { id }, body);
    while (found.status === "queued" || found.status === "running") {
      await new Promise((resume) => setTimeout(resume, 1000));
      found = await this.ask<AsyncRequest>("GET", "/async/requests/{id}", { id });
    }
    return found;
  }

  startJob(model: string, input: string): Promise<BatchJob> {
    const body: components["schemas"]["BatchRequest"] = { input };
    return this.ask("POST", "/batch/models/{model}/jobs", { model }, body);
  }

  /** Wait until no rollout of a model runs, and return how the last one ended. */
  async rolledOut(model: string): Promise<ModelRollout> {
    const look = () => this.ask<ModelRollout>("GET", "/v2/models/{model}/rollout", { model });
    let found = await look();
    while (found.status === "running") {
      await new Promise((resume) => setTimeout(resume, 5000));
      found = await look();
    }
    return found;
  }
}

export async function flower(stage: Stage): Promise<number> {
  const answer = await stage.infer("iris", {
    inputs: [
      { name: "measurements", shape: [1, 4], datatype: "FP32", data: [5.1, 3.5, 1.4, 0.2] },
    ],
  });
  return Number(answer.outputs[0]?.data?.[0]);
}
