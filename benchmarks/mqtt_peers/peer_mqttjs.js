// MQTT.js with its defaults; same command line and output as the Python peers (measure.py).
"use strict";
const mqtt = require("mqtt");
const { version } = require("mqtt/package.json");

const PATIENCE = 15000;
const [mode, port, count, size, rate] = process.argv.slice(2).map((word, at) => (at ? Number(word) : word));
const outage = mode === "outage";
const payload = (number) => Buffer.from(`${number} `.padEnd(size, "."));

let acknowledged = 0;
let began = 0n;
let last = Date.now();

function end() {
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(JSON.stringify({ client: `MQTT.js ${version}`, seconds, acknowledged }));
  process.exit(0);
}

const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId: "bench" });
client.on("error", () => {});

function publish(number, message) {
  client.publish("bench/mqtt", message, { qos: 1 }, (error) => {
    if (error) return;
    acknowledged += 1;
    last = Date.now();
    if (acknowledged === count) end();
  });
}

client.once("connect", () => {
  const payloads = Array.from({ length: count }, (_, number) => payload(number));
  console.log("begin");
  began = process.hrtime.bigint();
  if (!outage) {
    payloads.forEach((message, number) => publish(number, message));
    return;
  }
  let next = 0;
  const timer = setInterval(() => {
    const due = Math.min(count, (Number(process.hrtime.bigint() - began) / 1e9) * rate);
    while (next < due) {
      publish(next, payloads[next]);
      next += 1;
      last = Date.now();
    }
    if (next === count && Date.now() - last > PATIENCE) {
      clearInterval(timer);
      end();
    }
  }, 5);
});
