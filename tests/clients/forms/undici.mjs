// Node's fetch, which is undici. Sends each form in a folder; ../forms_random.py describes the files.
import { readdirSync, readFileSync } from "node:fs";

const [url, folder] = process.argv.slice(2);
const text = (word) => Buffer.from(word === "=" ? "" : word, "base64").toString();
for (const file of readdirSync(folder).sort()) {
  const form = new FormData();
  for (const line of readFileSync(`${folder}/${file}`, "utf8").trimEnd().split("\n")) {
    const [name, filename, content] = line.split(" ");
    if (filename === "-") form.append(text(name), text(content));
    else form.append(text(name), new Blob([text(content)]), text(filename));
  }
  const answer = await fetch(url, { method: "POST", headers: JSON.parse(process.env.FORM_HEADERS), body: form });
  console.log(`${answer.status} ${Buffer.from(await answer.arrayBuffer()).toString("base64")}`);
}
