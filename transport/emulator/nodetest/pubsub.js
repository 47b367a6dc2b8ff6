// Uses Google's Node.js client for Pub/Sub as an application does: node pubsub.js PUSH_URL, with
// PUBSUB_EMULATOR_HOST set. Each step that fails ends the program with an error.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { PubSub } = require('@google-cloud/pubsub');

const [pushUrl] = process.argv.slice(2);
const pubsub = new PubSub({ projectId: 'p' });
const ALREADY_EXISTS = 6;
const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;

async function resources() {
  const [topic] = await pubsub.createTopic('node');
  await assert.rejects(pubsub.createTopic('node'), { code: ALREADY_EXISTS });
  await assert.rejects(pubsub.createTopic('no'), { code: INVALID_ARGUMENT });
  const [pulled] = await topic.createSubscription('pulled', { enableMessageOrdering: true, labels: { by: 'node' } });
  const [metadata] = await pulled.getMetadata();
  assert.equal(metadata.ackDeadlineSeconds, 10);
  assert.equal(metadata.topic, 'projects/p/topics/node');
  await pulled.setMetadata({ ackDeadlineSeconds: 30 });
  assert.equal((await pulled.getMetadata())[0].ackDeadlineSeconds, 30);
  await topic.createSubscription('once', { enableExactlyOnceDelivery: true, filter: 'attributes:once' });
  await topic.createSubscription('pushed', { pushEndpoint: pushUrl, filter: 'attributes.to = "push"' });
  const [names] = await topic.getSubscriptions();
  assert.deepEqual(names.map((s) => s.name.split('/').pop()), ['once', 'pulled', 'pushed']);
  await assert.rejects(pubsub.topic('missing').getMetadata(), { code: NOT_FOUND });
  await topic.iam.setPolicy({ bindings: [{ role: 'roles/pubsub.publisher', members: ['allUsers'] }] });
  const [policy] = await topic.iam.getPolicy();
  assert.equal(policy.bindings[0].role, 'roles/pubsub.publisher');
}

// receive collects n messages; the first time, those that nack picks are given back.
async function receive(subscription, n, nack = () => false) {
  const got = [];
  const again = new Set();
  const done = new Promise((resolve, reject) => {
    subscription.on('error', reject);
    subscription.on('message', (m) => {
      if (nack(m) && !again.has(m.id)) {
        again.add(m.id);
        m.nack();
        return;
      }
      got.push(m);
      m.ack();
      if (got.length === n) resolve();
    });
  });
  await done;
  await subscription.close();
  return got;
}

async function messages() {
  const topic = pubsub.topic('node', { enableOrdering: true, messageOrdering: true });
  const ids = [];
  for (let i = 0; i < 20; i++) {
    ids.push(await topic.publishMessage({ json: { n: i }, attributes: { i: String(i) }, orderingKey: 'k' }));
  }
  assert.ok(ids.every((id) => /^\d+$/.test(id)));
  const got = await receive(pubsub.subscription('pulled', { flowControl: { maxMessages: 5 } }), 20, (m) => m.attributes.i % 7 === 3);
  assert.deepEqual(got.map((m) => JSON.parse(m.data).n), [...Array(20).keys()]);
  assert.equal(got[0].orderingKey, 'k');

  await topic.publishMessage({ data: Buffer.from('once'), attributes: { once: '1' } });
  const once1 = pubsub.subscription('once');
  const [m] = await once(once1, 'message');
  await m.ackWithResponse();
  await once1.close();

  await topic.publishMessage({ data: Buffer.from('to the endpoint'), attributes: { to: 'push' } });
  await assert.rejects(pubsub.topic('missing').publishMessage({ data: Buffer.from('x') }), { code: NOT_FOUND });
}

async function main() {
  await resources();
  await messages();
  await pubsub.subscription('pulled').seek(new Date(Date.now() + 3600000));
  await pubsub.subscription('pulled').delete();
  await pubsub.close();
  console.log('done');
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
