# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_callsign_global_optspecs
    string join \n config= h/help V/version
end

function __fish_callsign_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_callsign_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_callsign_using_subcommand
    set -l cmd (__fish_callsign_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c callsign -n "__fish_callsign_needs_command" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_needs_command" -s V -l version -d 'Print version'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "serve" -d 'Run the proxy'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "check" -d 'Validate the configuration and prove it: push requests full of spoofed identifiers through the real pipeline'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "explain" -d 'Show what becomes of a request, read from the standard input: what is removed and why, what is written and by which valve'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "id" -d 'Print, as JSON, exactly the identifier fields that would be sent for a caller'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "usage" -d 'Show spend and tokens from the ledger'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "whois" -d 'Tell which caller stands behind an identifier that OpenRouter or a provider reports'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "reconcile" -d 'Fill in costs that never arrived (cancelled or cut streams) from OpenRouter\'s generation records'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "forget" -d 'Erase a person from the ledger: names, identifiers, sessions, chats, messages. The sums stay, under no name'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "config" -d 'Print the effective configuration with the source of each value; secrets are shown as ***'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "key" -d 'Make keys for callers, or list those that are configured'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "archive" -d 'Read the encrypted archive: list, decrypt, verify'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "block" -d 'Stop one person, by user id or by the identifier as sent upstream, within one second on every callsign'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "unblock" -d 'Let somebody in again'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "limits" -d 'Show what is used up of limits'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "healthcheck" -d 'Exit 0 if the local server is ready, 1 (and one line why) otherwise'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand serve" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand serve" -l demo -d 'Run without an OpenRouter account: answers come from a stand-in that shows what it received'
complete -c callsign -n "__fish_callsign_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand check" -l model -d 'The model that --live asks' -r
complete -c callsign -n "__fish_callsign_using_subcommand check" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand check" -l live -d 'Send one tiny real request, which costs a fraction of a cent, and verify what OpenRouter recorded'
complete -c callsign -n "__fish_callsign_using_subcommand check" -l json -d 'Print one JSON document: passed, warnings, valves, formats, checks, received'
complete -c callsign -n "__fish_callsign_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l as -d 'The user id of the caller' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l tenant -d 'The tenant whose user it is; the operator\'s own without' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l session -d 'The session id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l chat -d 'The chat (conversation) id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l message -d 'The message id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l endpoint -d 'The endpoint: chat, responses, messages, embeddings, rerank, … or a path as chat/completions' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand id" -l user -d 'The user id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l tenant -d 'The tenant whose user it is; the operator\'s own without' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l session -d 'The session id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l chat -d 'The chat (conversation) id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l message -d 'The message id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l endpoint -d 'The endpoint: chat, responses, messages, embeddings, rerank, … or a path as chat/completions' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand id" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l by -d 'What they are summed by' -r -f -a "user\t'The internal user id'
model\t'The model that answered'
day\t'The day, UTC'
app\t'The key\'s name (an app\'s, or a person\'s)'
tenant\t'The tenant'"
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l since -d 'Only since then: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time; cut to the full hour. From the beginning without' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l tenant -d 'Only this tenant\'s; \'\' for the callers of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l format -d 'How they are printed' -r -f -a "table\t'For people'
csv\t'For spreadsheets (RFC 4180)'
json\t'For programs'"
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l tenant -d 'Only callers of this tenant; \'\' for those of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l format -d 'How they are printed' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l candidates -d 'A file of users to try a hash against: an id on each line, behind a tab perhaps a session, chat or message id' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand whois" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l since -d 'Only of requests since then: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. From the beginning without' -r
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l tenant -d 'Only of this tenant\'s; \'\' for the callers of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l tenant -d 'The tenant whose user it is (\'\' for none); needed where the id exists in several' -r
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand forget" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand config" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand config" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -f -a "new" -d 'Print a new key, once, and how to let it in'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -f -a "list" -d 'List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l user -d 'The id of the person who will hold the key' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l app -d 'A name for the app that will hold the key' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l preset -d 'Which headers the app names its users in: generic (X-User-Id, …), openwebui, librechat, oauth2-proxy, authentik, or one of `[presets]` in the configuration file' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "new" -d 'Print a new key, once, and how to let it in'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "list" -d 'List archives, one a line, in order of their paths: when the request began, status, how it ended, model, path'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "show" -d 'Decrypt archives to the standard output, oldest first'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "verify" -d 'Read every archive whole: it decrypts, is authentic, and holds what its meta.json names'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l user -d 'Only this user\'s: the id as it is known inside, or as it was sent' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l chat -d 'Only this chat\'s, likewise' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l tenant -d 'Only this tenant\'s; an empty name for callers of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l since -d 'Only requests that ended since then: 24h, 7d, a date or a time' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -l tenant -d 'Only this tenant\'s; an empty name for callers of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -l part -d 'Only this part, exactly as it was' -r -f -a "meta\t'meta.json'
headers\t'headers.json'
request\t'The body as it went upstream'
response\t'The bytes as they were relayed'"
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from verify" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "list" -d 'List archives, one a line, in order of their paths: when the request began, status, how it ended, model, path'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "show" -d 'Decrypt archives to the standard output, oldest first'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Read every archive whole: it decrypts, is authentic, and holds what its meta.json names'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand block" -l for -d 'For how long: 45s, 30m, 24h, 7d. For good without' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l reason -d 'Why; for the list and the dashboard' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l tenant -d 'The tenant that the user lives in; "" for the users of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand block" -l cut -d 'End their running answers too'
complete -c callsign -n "__fish_callsign_using_subcommand block" -l list -d 'List who is blocked'
complete -c callsign -n "__fish_callsign_using_subcommand block" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -l tenant -d 'The tenant that the user lives in; "" for the users of none' -r
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show help" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show help" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show help" -f -a "show" -d 'What a user has used up, and when it comes back. Limits of a key are not among it: they are the key\'s requests\''
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -l tenant -d 'The tenant that the user lives in; none without' -r
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from help" -f -a "show" -d 'What a user has used up, and when it comes back. Limits of a key are not among it: they are the key\'s requests\''
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand healthcheck" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "serve" -d 'Run the proxy'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "check" -d 'Validate the configuration and prove it: push requests full of spoofed identifiers through the real pipeline'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "explain" -d 'Show what becomes of a request, read from the standard input: what is removed and why, what is written and by which valve'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "id" -d 'Print, as JSON, exactly the identifier fields that would be sent for a caller'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "usage" -d 'Show spend and tokens from the ledger'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "whois" -d 'Tell which caller stands behind an identifier that OpenRouter or a provider reports'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "reconcile" -d 'Fill in costs that never arrived (cancelled or cut streams) from OpenRouter\'s generation records'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "forget" -d 'Erase a person from the ledger: names, identifiers, sessions, chats, messages. The sums stay, under no name'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "config" -d 'Print the effective configuration with the source of each value; secrets are shown as ***'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "key" -d 'Make keys for callers, or list those that are configured'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "archive" -d 'Read the encrypted archive: list, decrypt, verify'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "block" -d 'Stop one person, by user id or by the identifier as sent upstream, within one second on every callsign'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "unblock" -d 'Let somebody in again'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "limits" -d 'Show what is used up of limits'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "healthcheck" -d 'Exit 0 if the local server is ready, 1 (and one line why) otherwise'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage whois reconcile forget config key archive block unblock limits healthcheck help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "new" -d 'Print a new key, once, and how to let it in'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "list" -d 'List archives, one a line, in order of their paths: when the request began, status, how it ended, model, path'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "show" -d 'Decrypt archives to the standard output, oldest first'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "verify" -d 'Read every archive whole: it decrypts, is authentic, and holds what its meta.json names'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from limits" -f -a "show" -d 'What a user has used up, and when it comes back. Limits of a key are not among it: they are the key\'s requests\''
