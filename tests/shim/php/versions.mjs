// Runs unit.php on one PHP version compiled to WebAssembly:
// node versions.mjs <php-wasm folder> <version> <shim folder> <folder of the engine's scripts>
import { createRequire } from 'node:module';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [wasm, version, shim, scripts] = process.argv.slice(2);
const require = createRequire(join(wasm, 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { loadNodeRuntime } = await load('@php-wasm/node');
const { PHP } = await load('@php-wasm/universal');

const php = new PHP(await loadNodeRuntime(version, { emscriptenOptions: { processId: 1 } }));
const copy = (from, to) => {
	php.mkdir(to);
	for (const name of readdirSync(from)) {
		if (statSync(join(from, name)).isDirectory()) {
			copy(join(from, name), `${to}/${name}`);
		} else if (name.endsWith('.php')) {
			php.writeFile(`${to}/${name}`, readFileSync(join(from, name)));
		}
	}
};
copy(dirname(fileURLToPath(import.meta.url)), '/tests');
copy(shim, '/shim');
copy(scripts, '/scripts');
const answer = await php.run({
	code: "<?php $argv = array('unit.php', '/shim', '/scripts'); chdir('/tests'); require '/tests/unit.php';",
});
process.stdout.write(answer.text);
process.stderr.write(answer.errors);
process.exit(answer.exitCode);
