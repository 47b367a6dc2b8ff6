// Uses Google's Node.js client for Cloud Scheduler as an application does: node scheduler.js PORT WORKER_URL.
// Each step that fails ends the program with an error.
const assert = require('node:assert/strict');
const { CloudSchedulerClient } = require('@google-cloud/scheduler');
const { grpc } = require('google-gax');

const [port, worker] = process.argv.slice(2);
const client = new CloudSchedulerClient({
  servicePath: '127.0.0.1',
  port: Number(port),
  sslCreds: grpc.credentials.createInsecure(),
  projectId: 'p',
});
const ALREADY_EXISTS = 6;
const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;
const FAILED_PRECONDITION = 9;

const parent = client.locationPath('p', 'node');
const name = client.jobPath('p', 'node', 'report');

async function settings() {
  const job = {
    name,
    description: 'made by node',
    schedule: '30 2 * * MON-FRI',
    timeZone: 'America/Sao_Paulo',
    httpTarget: {
      uri: worker + '/report?full=1',
      body: Buffer.from('{"n":1}'),
      headers: { 'Content-Type': 'application/json' },
      oidcToken: { serviceAccountEmail: 'node@p.iam.gserviceaccount.com', audience: 'aud' },
    },
    retryConfig: { retryCount: 2 },
  };
  const [made] = await client.createJob({ parent, job });
  assert.equal(made.state, 'ENABLED');
  assert.equal(made.httpTarget.httpMethod, 'POST');
  assert.equal(Number(made.attemptDeadline.seconds), 180);
  assert.equal(made.retryConfig.maxDoublings, 5);
  assert.equal(Number(made.retryConfig.minBackoffDuration.seconds), 5);
  assert.ok(Number(made.scheduleTime.seconds) > Date.now() / 1000);
  assert.equal(made.status, null);
  await assert.rejects(client.createJob({ parent, job }), { code: ALREADY_EXISTS });
  await assert.rejects(client.createJob({ parent, job: { ...job, name: undefined, schedule: '@daily' } }), { code: INVALID_ARGUMENT });

  const [read] = await client.getJob({ name });
  assert.deepEqual(read, made);
  const [updated] = await client.updateJob({
    job: { name, description: 'changed', schedule: 'ignored' },
    updateMask: { paths: ['description'] },
  });
  assert.equal(updated.description, 'changed');
  assert.equal(updated.schedule, job.schedule);
  await assert.rejects(client.updateJob({ job, updateMask: { paths: ['httpTarget'] } }), { code: INVALID_ARGUMENT });
  await assert.rejects(client.updateJob({ job: { ...job, name: name + '-no' } }), { code: NOT_FOUND });
}

async function lists() {
  const made = [];
  for (let i = 0; i < 5; i++) {
    const [job] = await client.createJob({ parent, job: { schedule: 'every 2 hours', httpTarget: { uri: worker + '/never' } } });
    made.push(job.name);
  }
  const listed = [];
  for await (const job of client.listJobsAsync({ parent, pageSize: 2 }, { autoPaginate: false })) listed.push(job.name);
  assert.deepEqual(listed, [...made, name].sort());
  for (const other of made) await client.deleteJob({ name: other });
}

async function runs() {
  await assert.rejects(client.resumeJob({ name }), { code: FAILED_PRECONDITION });
  const [paused] = await client.pauseJob({ name });
  assert.equal(paused.state, 'PAUSED');
  await client.runJob({ name });
  for (let status = null; status === null; ) {
    const [job] = await client.getJob({ name });
    status = job.status;
    if (status) assert.equal(status.code, 0);
  }
  const [resumed] = await client.resumeJob({ name });
  assert.equal(resumed.state, 'ENABLED');
  assert.ok(resumed.lastAttemptTime);
}

async function main() {
  await settings();
  await lists();
  await runs();
  await client.deleteJob({ name });
  await assert.rejects(client.getJob({ name }), { code: NOT_FOUND });
  await client.close();
  console.log('done');
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
