<?php
// Guzzle, PHP's HTTP client. Adds `Content-Length` to every part.
require '/usr/share/php/GuzzleHttp/autoload.php';

if (($argv[1] ?? '') === 'version') {
    echo preg_replace('/^.*?(\d+(\.\d+)+).*$/s', '$1', shell_exec("dpkg-query -W -f '\${Version}' php-guzzlehttp-guzzle"));
    exit;
}
$answer = (new GuzzleHttp\Client())->post($argv[1], [
    'headers' => json_decode(getenv('FORM_HEADERS'), true),
    'multipart' => [
        ['name' => 'user', 'contents' => 'mallory'],
        ['name' => 'model', 'contents' => 'openai/whisper-1'],
        ['name' => 'file', 'contents' => fopen($argv[2], 'r'), 'headers' => ['Content-Type' => 'audio/mpeg']],
        ['name' => 'session_id', 'contents' => 'mallory'],
    ],
]);
echo $answer->getBody();
