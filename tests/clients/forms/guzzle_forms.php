<?php
// Guzzle, PHP's HTTP client. Sends each form in a folder; ../forms_random.py describes the files.
require '/usr/share/php/GuzzleHttp/autoload.php';

$client = new GuzzleHttp\Client(['http_errors' => false, 'headers' => json_decode(getenv('FORM_HEADERS'), true)]);
foreach (scandir($argv[2]) as $file) {
    if ($file[0] === '.') {
        continue;
    }
    $parts = [];
    foreach (file("$argv[2]/$file", FILE_IGNORE_NEW_LINES) as $line) {
        [$name, $filename, $content] = explode(' ', $line);
        $part = ['name' => base64_decode($name), 'contents' => base64_decode($content)];
        if ($filename !== '-') {
            $part['filename'] = base64_decode($filename);
        }
        $parts[] = $part;
    }
    $answer = $client->post($argv[1], ['multipart' => $parts]);
    echo $answer->getStatusCode(), ' ', base64_encode($answer->getBody()), "\n";
}
