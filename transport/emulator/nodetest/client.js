// Uses Google's Node.js client as an application does: node client.js PORT WORKER_URL.
// Each step that fails ends the program with an error.
const assert = require('node:assert/strict');
const { CloudTasksClient } = require('@google-cloud/tasks');
const { grpc } = require('google-gax');

const [port, worker] = process.argv.slice(2);
const client = new CloudTasksClient({
  servicePath: '127.0.0.1',
  port: Number(port),
  sslCreds: grpc.credentials.createInsecure(),
  projectId: 'p',
});
const ALREADY_EXISTS = 6;
const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;

const parent = client.locationPath('p', 'l');
const queue = client.queuePath('p', 'l', 'node');
const request = (path, body) => ({
  httpMethod: 'POST',
  url: worker + path,
  headers: { 'Content-Type': 'application/json' },
  body: Buffer.from(JSON.stringify(body)),
});
const soon = (seconds) => ({ seconds: Math.floor(Date.now() / 1000) + seconds });

async function queues() {
  const [made] = await client.createQueue({ parent, queue: { name: queue, rateLimits: { maxDispatchesPerSecond: 100 } } });
  assert.equal(made.state, 'RUNNING');
  assert.equal(made.retryConfig.maxAttempts, 100);
  await assert.rejects(client.createQueue({ parent, queue: { name: queue } }), { code: ALREADY_EXISTS });
  const [updated] = await client.updateQueue({
    queue: { name: queue, rateLimits: { maxConcurrentDispatches: 7 } },
    updateMask: { paths: ['rate_limits.max_concurrent_dispatches'] },
  });
  assert.equal(updated.rateLimits.maxConcurrentDispatches, 7);
  assert.equal(updated.rateLimits.maxDispatchesPerSecond, 100);
  const [listed] = await client.listQueues({ parent });
  assert.deepEqual(listed.map((q) => q.name), [queue]);
  const [paused] = await client.pauseQueue({ name: queue });
  assert.equal(paused.state, 'PAUSED');
  await client.resumeQueue({ name: queue });
}

async function tasks() {
  const name = client.taskPath('p', 'l', 'node', 'later');
  const later = { name, scheduleTime: soon(3600), httpRequest: request('/later', { n: 1 }) };
  const [made] = await client.createTask({ parent: queue, task: later });
  assert.equal(made.name, name);
  assert.equal(made.view, 'BASIC');
  await assert.rejects(client.createTask({ parent: queue, task: later }), { code: ALREADY_EXISTS });
  await assert.rejects(client.createTask({ parent: queue, task: { httpRequest: { url: 'x' } } }), { code: INVALID_ARGUMENT });
  const [full] = await client.getTask({ name, responseView: 'FULL' });
  assert.equal(full.httpRequest.body.toString(), '{"n":1}');
  assert.equal(full.httpRequest.headers['User-Agent'], 'Google-Cloud-Tasks');

  const [now] = await client.createTask({
    parent: queue,
    task: {
      httpRequest: { ...request('/now', { n: 2 }), oidcToken: { serviceAccountEmail: 'node@p.iam.gserviceaccount.com', audience: 'aud' } },
      dispatchDeadline: { seconds: 30 },
    },
  });
  assert.match(now.name, /\/tasks\/\d{19,20}$/);
  await client.runTask({ name });

  for (let i = 0; i < 3; i++) {
    await client.createTask({ parent: queue, task: { scheduleTime: soon(3600), httpRequest: request('/never', { i }) } });
  }
  let count = 0;
  for await (const task of client.listTasksAsync({ parent: queue, pageSize: 2 }, { autoPaginate: false })) {
    assert.ok(task.httpRequest.url.startsWith(worker));
    count++;
  }
  assert.ok(count >= 3, `${count} tasks listed`);
  await client.purgeQueue({ name: queue });
  await assert.rejects(client.deleteTask({ name: client.taskPath('p', 'l', 'node', 'no-such') }), { code: NOT_FOUND });
}

async function main() {
  await queues();
  await tasks();
  await client.deleteQueue({ name: queue });
  await assert.rejects(client.getQueue({ name: queue }), { code: NOT_FOUND });
  await client.close();
  console.log('done');
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
