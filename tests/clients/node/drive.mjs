// `node drive.mjs KUBECONFIG NAMESPACE WHAT`: does one thing with @kubernetes/client-node and prints what it saw as JSON.

import { PassThrough, Readable, Writable } from "node:stream";
import net from "node:net";
import * as k8s from "@kubernetes/client-node";

const [kubeconfig, namespace, what] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);

const pod = (name, labels) => ({
  metadata: { name, labels },
  spec: { containers: [{ name: "web", image: "nginx", ports: [{ containerPort: 80 }] }] },
});
const settings = (name, data) => ({ metadata: { name }, data });
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(holds) {
  for (let i = 0; i < 1000; i++) {
    const found = await holds();
    if (found) return found;
    await pause(10);
  }
  throw new Error("it never came about");
}

async function running(name) {
  await core.createNamespacedPod({ namespace, body: pod(name, { app: name }) });
  await until(async () => {
    const found = await core.readNamespacedPod({ name, namespace });
    return found.status.phase === "Running";
  });
}

function collected() {
  const chunks = [];
  const stream = new Writable({
    write(chunk, encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    const status = typeof error.body === "string" ? JSON.parse(error.body) : error.body;
    return { code: error.code, reason: status.reason, message: status.message };
  }
  throw new Error("it was not refused");
}

const things = {
  async crud() {
    const made = await core.createNamespacedConfigMap({ namespace, body: settings("settings", { a: "1" }) });
    const replaced = await core.replaceNamespacedConfigMap({
      name: "settings",
      namespace,
      body: { ...made, data: { a: "2" } },
    });
    const conflict = await failure(
      core.replaceNamespacedConfigMap({ name: "settings", namespace, body: { ...made, data: {} } }),
    );
    const patched = await core.patchNamespacedConfigMap(
      { name: "settings", namespace, body: { data: { b: "3" } } },
      k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.StrategicMergePatch),
    );
    const list = await core.listNamespacedConfigMap({ namespace, limit: 1 });
    const deleted = await core.deleteNamespacedConfigMap({ name: "settings", namespace });
    const missing = await failure(core.readNamespacedConfigMap({ name: "settings", namespace }));
    const invalid = await failure(core.createNamespacedConfigMap({ namespace, body: settings("Bad_Name") }));
    return {
      created: made.metadata.creationTimestamp instanceof Date,
      replaced: replaced.data,
      conflict,
      patched: patched.data,
      page: [list.items.length, list.metadata.remainingItemCount],
      deleted: deleted.status,
      missing,
      invalid,
    };
  },

  async objects() {
    const client = k8s.KubernetesObjectApi.makeApiClient(config);
    const spec = { apiVersion: "v1", kind: "Service", metadata: { name: "shop", namespace } };
    const made = await client.create({ ...spec, spec: { ports: [{ port: 80 }] } });
    const patched = await client.patch(
      { ...spec, metadata: { ...spec.metadata, labels: { app: "shop" } } },
      undefined,
      undefined,
      undefined,
      undefined,
      k8s.PatchStrategy.MergePatch,
    );
    const list = await client.list("v1", "Service", namespace);
    await client.delete(spec);
    return {
      address: made.spec.clusterIP.startsWith("10."),
      labels: patched.metadata.labels,
      listed: list.items.map((item) => item.metadata.name),
    };
  },

  async informer() {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const informer = k8s.makeInformer(config, path, () => core.listNamespacedPod({ namespace }));
    const seen = [];
    const errors = [];
    informer.on("add", (obj) => seen.push(`add ${obj.metadata.name}`));
    informer.on("update", (obj) => seen.push(`update ${obj.metadata.name} ${obj.status.phase}`));
    informer.on("delete", (obj) => seen.push(`delete ${obj.metadata.name}`));
    informer.on("error", (error) => errors.push(String(error)));
    await core.createNamespacedPod({ namespace, body: pod("before") });
    await informer.start();
    await until(() => seen.includes("add before"));
    await core.createNamespacedPod({ namespace, body: pod("after") });
    await until(() => seen.includes("update after Running"));
    await core.deleteNamespacedPod({ name: "after", namespace, gracePeriodSeconds: 0 });
    await until(() => seen.includes("delete after"));
    const names = informer.list(namespace).map((obj) => obj.metadata.name);
    const failed = [...errors]; // stopping is told as an error
    await informer.stop();
    return { seen, names, errors: failed };
  },

  async watch() {
    const first = await core.createNamespacedConfigMap({ namespace, body: settings("a") });
    await core.createNamespacedConfigMap({ namespace, body: settings("b") });
    const seen = [];
    const query = {
      resourceVersion: first.metadata.resourceVersion,
      fieldSelector: "metadata.name!=kube-root-ca.crt",
      allowWatchBookmarks: true,
    };
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const controller = await new k8s.Watch(config).watch(
      path,
      query,
      (type, obj) => seen.push(`${type} ${obj.metadata.name}`),
      () => {},
    );
    await until(() => seen.length >= 1);
    await core.deleteNamespacedConfigMap({ name: "a", namespace });
    await until(() => seen.length >= 2);
    controller.abort();
    return { seen };
  },

  async exec() {
    await running("web");
    const run = async (command, stdin) => {
      const [out, err] = [collected(), collected()];
      const status = await new Promise((resolve, reject) => {
        new k8s.Exec(config)
          .exec(namespace, "web", "web", command, out.stream, err.stream, stdin, false, resolve)
          .catch(reject);
      });
      return { out: out.text(), err: err.text(), status: status.status, causes: status.details?.causes };
    };
    return {
      plain: await run(["sh", "-c", "echo out; echo err >&2"], null),
      failed: await run(["sh", "-c", "exit 3"], null),
      fed: await run(["head", "-n", "1"], Readable.from(["one\ntwo\n"])),
    };
  },

  async log() {
    await core.createNamespacedPod({
      namespace,
      body: {
        metadata: { name: "job" },
        spec: {
          restartPolicy: "Never",
          containers: [{ name: "job", image: "busybox", command: ["sh", "-c", "echo one; sleep 1; echo two"] }],
        },
      },
    });
    await until(async () => (await core.readNamespacedPod({ name: "job", namespace })).status.phase !== "Pending");
    const followed = new PassThrough();
    const chunks = [];
    followed.on("data", (chunk) => chunks.push(chunk));
    await new k8s.Log(config).log(namespace, "job", "job", followed, { follow: true });
    await until(() => Buffer.concat(chunks).toString().includes("two"));
    const text = await core.readNamespacedPodLog({ name: "job", namespace, tailLines: 1 });
    return { followed: Buffer.concat(chunks).toString(), text };
  },

  async portforward() {
    await running("web");
    const forward = new k8s.PortForward(config);
    const server = net.createServer((socket) => forward.portForward(namespace, "web", [80], socket, null, socket));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { connection: "close" } });
    const text = await answer.text();
    server.close();
    return { status: answer.status, welcome: text.includes("Welcome to nginx!") };
  },
};

console.log(JSON.stringify(await things[what]()));
process.exit(0);
