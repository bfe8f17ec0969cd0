// validate.mjs DOCUMENT RECORD…: holds every recorded answer to the OpenAPI document, every accepted
// request body too, and the whole run to the whole document: an operation or status that no request
// brought about is a failure. Statuses written as ranges (5XX) need not be brought about.
import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const [documentPath, ...records] = process.argv.slice(2);
const api = JSON.parse(readFileSync(documentPath, "utf8"));
const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false });
addFormats(ajv);
ajv.addSchema(api, "api");

const FAILURES_MAX = 40;
const failures = [];
const hit = new Map(); // operationId → statuses
const checks = new Map();
let answers = 0;

const escape = (key) => encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"));
const fail = (record, text) =>
  failures.push(`${record.method} ${record.path.slice(0, 120)} → ${record.status}: ${text}`);

// The object behind a $ref, and the pointer at which it stands.
function at(pointer) {
  let value = api;
  for (const key of pointer) value = value?.[key];
  if (value?.$ref) return at(value.$ref.slice(2).split("/"));
  return { value, pointer };
}

function check(pointer) {
  const reference = "api#/" + pointer.map(escape).join("/");
  if (!checks.has(reference)) checks.set(reference, ajv.compile({ $ref: reference }));
  return checks.get(reference);
}

const segments = (path) => path.split("?")[0].split("/");
const templates = Object.keys(api.paths).map((path) => ({ path, parts: segments(path) }));

function operationOf(record) {
  const parts = segments(record.path);
  const method = record.method === "HEAD" ? "get" : record.method.toLowerCase();
  const found = templates.find(
    (t) =>
      t.parts.length === parts.length &&
      t.parts.every((part, i) => part === parts[i] || (part.startsWith("{") && parts[i] !== "")),
  );
  const operation = found && api.paths[found.path][method];
  return operation && { pointer: ["paths", found.path, method], operation };
}

function checkBody(record, content, pointer) {
  const type = record.headers.find(([k]) => k.toLowerCase() === "content-type")?.[1];
  if (!content) {
    if (record.body !== "") fail(record, "there is a body, the document has none");
    return;
  }
  if (!type || !content[type]) {
    fail(record, `content type ${type} is not in the document`);
    return;
  }
  if (record.method === "HEAD") return;
  let body;
  try {
    body = JSON.parse(record.body);
  } catch (error) {
    fail(record, `the body is not JSON: ${error.message}`);
    return;
  }
  const valid = check([...pointer, "content", type, "schema"]);
  if (!valid(body)) fail(record, ajv.errorsText(valid.errors) + " in " + record.body.slice(0, 300));
}

function checkHeaders(record, headers, pointer) {
  for (const name of Object.keys(headers ?? {})) {
    const value = record.headers.find(([k]) => k.toLowerCase() === name.toLowerCase())?.[1];
    if (value === undefined) {
      fail(record, `the header ${name} is missing`);
      continue;
    }
    const valid = check([...at([...pointer, "headers", name]).pointer, "schema"]);
    if (!valid(value)) fail(record, `header ${name}: ${ajv.errorsText(valid.errors)}`);
  }
}

// What the server took must be what the document says it takes.
function checkRequest(record, operation, pointer) {
  if (record.status >= 300 || !operation.requestBody || !record.request_body) return;
  const type = record.request_headers["Content-Type"].split(";")[0];
  if (!operation.requestBody.content[type]) {
    fail(record, `took a body of type ${type}, which is not in the document`);
    return;
  }
  const valid = check([...pointer, "requestBody", "content", type, "schema"]);
  if (!valid(JSON.parse(record.request_body)))
    fail(record, `took a body that the document refuses: ${ajv.errorsText(valid.errors)}`);
}

function checkUnrouted(record) {
  const expected = record.method === "OPTIONS" ? [204, 404] : [404, 405];
  if (!expected.includes(record.status)) fail(record, "the document has no such operation");
  const valid = check(["components", "schemas", "Problem"]);
  if (record.status >= 400 && !valid(JSON.parse(record.body))) fail(record, ajv.errorsText(valid.errors));
}

function checkRecord(record) {
  if (!record.path.startsWith("/api/")) return; // pages
  answers++;
  const found = operationOf(record);
  if (!found) {
    checkUnrouted(record);
    return;
  }
  const { operation } = found;
  const status = String(record.status);
  if (!hit.has(operation.operationId)) hit.set(operation.operationId, new Set());
  hit.get(operation.operationId).add(status);
  const key = operation.responses[status] ? status : status[0] + "XX";
  if (!operation.responses[key]) {
    fail(record, "this status is not in the document: " + record.body.slice(0, 300));
    return;
  }
  const { value, pointer } = at([...found.pointer, "responses", key]);
  checkHeaders(record, value.headers, pointer);
  checkBody(record, value.content, pointer);
  checkRequest(record, operation, found.pointer);
}

for (const file of records)
  for await (const line of createInterface({ input: createReadStream(file, "utf8") }))
    checkRecord(JSON.parse(line));

for (const item of Object.values(api.paths))
  for (const { operationId, responses } of Object.values(item))
    for (const status of Object.keys(responses))
      if (/^\d+$/.test(status) && !hit.get(operationId)?.has(status))
        failures.push(`${operationId}: no test brings about ${status}`);

for (const text of failures.slice(0, FAILURES_MAX)) console.log(text);
if (failures.length > FAILURES_MAX) console.log(`… and ${failures.length - FAILURES_MAX} more`);
console.log(`${answers} answers, ${hit.size} operations, ${failures.length} failures`);
process.exit(failures.length > 0 || answers === 0 ? 1 : 0);
