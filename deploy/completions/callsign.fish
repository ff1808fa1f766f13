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

complete -c callsign -n "__fish_callsign_needs_command" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_needs_command" -s V -l version -d 'Print version'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "serve" -d 'Run the proxy'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "check" -d 'Validate the configuration and test it with requests that contain forged identifiers'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "explain" -d 'Show how a request body is rewritten: what is removed and why, what is written and by which setting'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "id" -d 'Print the identifier fields that would be sent for a caller, as JSON'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "usage" -d 'Print spend and tokens from the ledger'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "requests" -d 'List single requests of the ledger, newest first'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "request" -d 'Print one request by request id or generation id'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "whois" -d 'Find the caller of an identifier that OpenRouter or a provider reports'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "reconcile" -d 'Fetch missing costs (of cancelled or broken streams) from OpenRouter\'s generation records'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "case" -d 'Write an evidence bundle about an identifier that OpenRouter or a provider reports'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "export" -d 'Write everything that is stored about one person'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "forget" -d 'Erase a user from the ledger and the archive'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "audit" -d 'List what operators did: blocks, limits, case, export and forget, latest first'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "config" -d 'Print every setting with its value and the source of the value; secrets are shown as ***'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "key" -d 'Create, rotate, revoke and list keys for callers'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "archive" -d 'Read the encrypted archive: list, decrypt, verify'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "block" -d 'Block a user, by user id or by the identifier as sent upstream'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "unblock" -d 'Remove a block'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "limits" -d 'Show, set and reset the limits of a user while callsign runs'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "ledger" -d 'List, repair and drop rows that the ledger\'s database refused because of a value'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "backup" -d 'Copy ledger.db, ledger-spill.db and state.db into a new directory while servers run'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "restore" -d 'Put the files of a backup in place. No server may run'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "healthcheck" -d 'Exit with 0 if the local server is ready, else with 1 and one line that says why'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand serve" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand serve" -l demo -d 'Run without an OpenRouter account: a mock OpenRouter in this process answers, and the console has sample data'
complete -c callsign -n "__fish_callsign_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand check" -l model -d 'Model of the request that --live sends' -r
complete -c callsign -n "__fish_callsign_using_subcommand check" -l format -d 'Output format. json is one object with passed, warnings, valves, formats, checks and received' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand check" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand check" -l live -d 'Also send one small request to OpenRouter (a fraction of a cent) and verify what OpenRouter records'
complete -c callsign -n "__fish_callsign_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l user -d 'User id of the caller' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l tenant -d 'Tenant of the caller. By default none' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l session -d 'Session id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l chat -d 'Chat (conversation) id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l message -d 'Message id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l endpoint -d 'Endpoint: chat, responses, messages, embeddings, rerank, … or a path, as chat/completions' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand id" -l user -d 'User id of the caller' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l tenant -d 'Tenant of the caller. By default none' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l session -d 'Session id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l chat -d 'Chat (conversation) id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l message -d 'Message id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l endpoint -d 'Endpoint: chat, responses, messages, embeddings, rerank, … or a path, as chat/completions' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l format -d 'Output format. There is only one' -r -f -a "json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand id" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand id" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l by -d 'Grouping of the sums: one or two of user, model, key, provider, tenant, hour, day, month, as model,month' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l user -d 'Only requests of this user' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l key -d 'Only requests of this key, by name' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l model -d 'Only answers of this model' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l provider -d 'Only answers of this provider' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l tenant -d 'Only requests of this tenant; "" for callers without a tenant. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l status -d 'Only answers with this HTTP status' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l since -d 'Start of the period: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l until -d 'End of the period, exclusive, in the same form. By default now' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l columns -d 'Columns of the table besides those of --by, named as in JSON: `requests,cost_usd`' -r
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l format -d 'Output format. csv and json have all columns' -r -f -a "table\t'An aligned table'
csv\t'Comma-separated values (RFC 4180)'
json\t'JSON'"
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand usage" -l wide -d 'All columns in the table. By default those that fit 120 characters'
complete -c callsign -n "__fish_callsign_using_subcommand usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l user -d 'Only requests of this user' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l key -d 'Only requests of this key, by name' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l model -d 'Only answers of this model' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l provider -d 'Only answers of this provider' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l tenant -d 'Only requests of this tenant; "" for callers without a tenant. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l status -d 'Only answers with this HTTP status' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l since -d 'Start of the period: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l until -d 'End of the period, exclusive, in the same form. By default now' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l ending -d 'Only requests that ended in this way, as `complete`, `client_gone` or `refused`' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l error -d 'Only this kind of error, as `rate_limited` or `status_502`' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l limit -d 'Maximum number of requests' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l before -d 'Only requests before this request id, to continue a list' -r
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l format -d 'Output format' -r -f -a "table\t'An aligned table'
csv\t'Comma-separated values (RFC 4180)'
json\t'JSON'"
complete -c callsign -n "__fish_callsign_using_subcommand requests" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand requests" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand request" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand request" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand request" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l tenant -d 'Only callers of this tenant; "" for callers without a tenant. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l candidates -d 'File of user ids to compare a hash with, one per line, optionally with a tab and a session, chat or message id' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand whois" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand whois" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l since -d 'Only requests since: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l tenant -d 'Only requests of this tenant; "" for callers without a tenant. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand reconcile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand case" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand case" -l output -d 'The zip file to write. It must not exist' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand case" -l password-file -d 'File with the password of the zip file. By default a new one is printed once on the standard error' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand case" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand case" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand case" -l with-archives -d 'Include the archived requests and responses (prompts and replies)'
complete -c callsign -n "__fish_callsign_using_subcommand case" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand export" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand export" -l output -d 'The directory to create. It must not exist' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand export" -l password-file -d 'File with the password of the zip file. By default a new one is printed once on the standard error' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand export" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand export" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand export" -l user-id -d 'Take the id as a user id only, not as an identifier as sent'
complete -c callsign -n "__fish_callsign_using_subcommand export" -l with-archives -d 'Include the archived requests and responses (prompts and replies)'
complete -c callsign -n "__fish_callsign_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l user-id -d 'Take the id as a user id only, not as an identifier as sent'
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l yes -d 'Erase without asking'
complete -c callsign -n "__fish_callsign_using_subcommand forget" -l dry-run -d 'Print what would be erased, and erase nothing'
complete -c callsign -n "__fish_callsign_using_subcommand forget" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand audit" -l since -d 'Only acts since: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand audit" -l by -d 'Only acts of this operator, as `cli:root` or `admin`' -r
complete -c callsign -n "__fish_callsign_using_subcommand audit" -l format -d 'Output format' -r -f -a "table\t'An aligned table'
csv\t'Comma-separated values (RFC 4180)'
json\t'JSON'"
complete -c callsign -n "__fish_callsign_using_subcommand audit" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand audit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand config" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand config" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand config" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -f -a "create" -d 'Create a key, and print it once: alone on the standard output, with an explanation on the standard error'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -f -a "rotate" -d 'Replace a key in the database, and print the new one once, alone on the standard output'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -f -a "revoke" -d 'Revoke a key in the database, with the earlier key of a rotation. This is final'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -f -a "import" -d 'Take keys of the configuration into the database. Callers keep their keys'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -f -a "list" -d 'List keys: their callers and whether they are valid. The keys themselves are not stored'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from create rotate revoke import list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l user -d 'User id for a personal key' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l app -d 'Name of the app for an app\'s key' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l preset -d 'Preset of headers in which the app names its users: generic (X-User-Id, …, the default), openwebui, librechat, oauth2-proxy, authentik, or one of `[presets]` in the configuration file' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l name -d 'Name of the key, in lists and statistics. By default the user\'s or the app\'s, with a number if that is taken' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l tenant -d 'Tenant of its callers. By default none' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l expires -d 'Time until it ends: 24h or 90d, at most 100 years. By default it does not end' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l limit -d 'Limit of each of its callers, as rpm=60 or `usd_month=20`; repeat it for several' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l allowed-network -d 'Client network or address from which it is accepted; repeat it for several. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -l print-only -d 'Store nothing: print a key, and how to accept it by the environment or the configuration file'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from rotate" -l overlap -d 'Time for which the earlier key stays valid: 0, 30m, 24h or 7d, at most 30 days' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from rotate" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from rotate" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from revoke" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from revoke" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from revoke" -l cut -d 'Also abort the running responses of the key'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from import" -l key -d 'Only the key with this name; repeat it for several. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from import" -l as -d 'Name of the key in the database, for one --key. Statistics follow the name' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from import" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from import" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from import" -l yes -d 'Import, instead of printing what would be imported'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -l format -d 'Output format. json and csv list the keys in the database' -r -f -a "table\t'An aligned table'
csv\t'Comma-separated values (RFC 4180)'
json\t'JSON'"
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "create" -d 'Create a key, and print it once: alone on the standard output, with an explanation on the standard error'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Replace a key in the database, and print the new one once, alone on the standard output'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Revoke a key in the database, with the earlier key of a rotation. This is final'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "import" -d 'Take keys of the configuration into the database. Callers keep their keys'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List keys: their callers and whether they are valid. The keys themselves are not stored'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "list" -d 'List archived requests in order of their paths, one per line: start time, status, outcome, model, path'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "show" -d 'Decrypt archived requests to the standard output, oldest first'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "verify" -d 'Verify every archived request: it decrypts, is authentic, and contains what its meta.json lists'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and not __fish_seen_subcommand_from list show verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l user -d 'Only requests of this user: the user id, or the identifier as sent' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l chat -d 'Only requests of this chat: the chat id, or the identifier as sent' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l tenant -d 'Only requests of this tenant; "" for callers without a tenant. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l since -d 'Only requests that ended in this period (24h, 7d) or since this date or RFC 3339 time. By default all' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l format -d 'Output format. json is a list of meta.json objects with their paths' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -l tenant -d 'Only requests of this tenant; "" for callers without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -l part -d 'Print only this part, byte for byte. By default all parts with headings' -r -f -a "meta\t'meta.json: times, ids, outcome, usage'
headers\t'headers.json: headers received, sent and relayed'
request\t'The request body as sent upstream'
response\t'The response bytes as relayed'"
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from verify" -l format -d 'Output format. json is one object with archives, intact and damaged' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from verify" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "list" -d 'List archived requests in order of their paths, one per line: start time, status, outcome, model, path'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "show" -d 'Decrypt archived requests to the standard output, oldest first'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Verify every archived request: it decrypts, is authentic, and contains what its meta.json lists'
complete -c callsign -n "__fish_callsign_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand block" -l for -d 'Duration of the block: 45s, 30m, 24h or 7d, at most 100 years. By default permanent' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l until -d 'Refused with a hint to `--for`' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l reason -d 'Reason, shown in the list and on the console' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand block" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand block" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand block" -l cut -d 'Also abort the user\'s running responses'
complete -c callsign -n "__fish_callsign_using_subcommand block" -l unseen -d 'Also block an id that was never seen'
complete -c callsign -n "__fish_callsign_using_subcommand block" -l user-id -d 'Take the id as a user id only, not as an identifier of another kind'
complete -c callsign -n "__fish_callsign_using_subcommand block" -l list -d 'List all blocks'
complete -c callsign -n "__fish_callsign_using_subcommand block" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand unblock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show set reset help" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show set reset help" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show set reset help" -f -a "show" -d 'Print what a user has used of each limit, and when it becomes available again. Limits of `[[keys]]` are not included'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show set reset help" -f -a "set" -d 'Set limits of a user. They win over the configuration, on every callsign within one second'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show set reset help" -f -a "reset" -d 'Return all limits of a user to what is configured'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and not __fish_seen_subcommand_from show set reset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -l tenant -d 'Tenant of the user. By default none' -r
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l for -d 'Time for which they hold: 45s, 30m, 24h or 7d, at most 100 years. By default unlimited' -r
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l until -d 'Refused with a hint to `--for`' -r
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l unseen -d 'Also set limits of an id that was never seen'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -l user-id -d 'Take the id as a user id only, not as an identifier of another kind'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from reset" -l tenant -d 'Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants' -r
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from reset" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from reset" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print what a user has used of each limit, and when it becomes available again. Limits of `[[keys]]` are not included'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set limits of a user. They win over the configuration, on every callsign within one second'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from help" -f -a "reset" -d 'Return all limits of a user to what is configured'
complete -c callsign -n "__fish_callsign_using_subcommand limits; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and not __fish_seen_subcommand_from rejected repair drop help" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and not __fish_seen_subcommand_from rejected repair drop help" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and not __fish_seen_subcommand_from rejected repair drop help" -f -a "rejected" -d 'List the rows that the database refused, newest first'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and not __fish_seen_subcommand_from rejected repair drop help" -f -a "repair" -d 'Give a rejected row its caller back'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and not __fish_seen_subcommand_from rejected repair drop help" -f -a "drop" -d 'Delete the note about a rejected row, or about all. The rows and their sums stay, without names'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and not __fish_seen_subcommand_from rejected repair drop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from rejected" -l format -d 'Output format' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from rejected" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from rejected" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from repair" -l key -d 'Name of the key that authenticated the caller' -r
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from repair" -l user -d 'User id of the caller. By default none' -r
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from repair" -l tenant -d 'Tenant of the caller. By default none' -r
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from repair" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from repair" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from repair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from drop" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from drop" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from drop" -l all -d 'Delete the notes about all rejected rows'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "rejected" -d 'List the rows that the database refused, newest first'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "repair" -d 'Give a rejected row its caller back'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "drop" -d 'Delete the note about a rejected row, or about all. The rows and their sums stay, without names'
complete -c callsign -n "__fish_callsign_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand backup" -l output -d 'The directory to create. It must not exist' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand backup" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand backup" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand restore" -l state -d 'Decision about state.db (blocks, run-time limits, keys, audit log): keep the present one and restore the ledger alone, or replace it, also by an older one' -r -f -a "keep\t'The present one stays'
replace\t'The one of the backup replaces it'"
complete -c callsign -n "__fish_callsign_using_subcommand restore" -l format -d 'Output format. table is text for people, json is one object with the result' -r -f -a "table\t''
json\t''"
complete -c callsign -n "__fish_callsign_using_subcommand restore" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand restore" -l dry-run -d 'Check the backup and print what would be replaced; change nothing'
complete -c callsign -n "__fish_callsign_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand healthcheck" -l config -d 'TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file\'s settings' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "serve" -d 'Run the proxy'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "check" -d 'Validate the configuration and test it with requests that contain forged identifiers'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "explain" -d 'Show how a request body is rewritten: what is removed and why, what is written and by which setting'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "id" -d 'Print the identifier fields that would be sent for a caller, as JSON'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "usage" -d 'Print spend and tokens from the ledger'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "requests" -d 'List single requests of the ledger, newest first'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "request" -d 'Print one request by request id or generation id'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "whois" -d 'Find the caller of an identifier that OpenRouter or a provider reports'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "reconcile" -d 'Fetch missing costs (of cancelled or broken streams) from OpenRouter\'s generation records'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "case" -d 'Write an evidence bundle about an identifier that OpenRouter or a provider reports'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "export" -d 'Write everything that is stored about one person'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "forget" -d 'Erase a user from the ledger and the archive'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "audit" -d 'List what operators did: blocks, limits, case, export and forget, latest first'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "config" -d 'Print every setting with its value and the source of the value; secrets are shown as ***'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "key" -d 'Create, rotate, revoke and list keys for callers'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "archive" -d 'Read the encrypted archive: list, decrypt, verify'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "block" -d 'Block a user, by user id or by the identifier as sent upstream'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "unblock" -d 'Remove a block'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "limits" -d 'Show, set and reset the limits of a user while callsign runs'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "ledger" -d 'List, repair and drop rows that the ledger\'s database refused because of a value'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "backup" -d 'Copy ledger.db, ledger-spill.db and state.db into a new directory while servers run'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "restore" -d 'Put the files of a backup in place. No server may run'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "healthcheck" -d 'Exit with 0 if the local server is ready, else with 1 and one line that says why'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id usage requests request whois reconcile case export forget audit config key archive block unblock limits ledger backup restore healthcheck help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "create" -d 'Create a key, and print it once: alone on the standard output, with an explanation on the standard error'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rotate" -d 'Replace a key in the database, and print the new one once, alone on the standard output'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "revoke" -d 'Revoke a key in the database, with the earlier key of a rotation. This is final'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "import" -d 'Take keys of the configuration into the database. Callers keep their keys'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List keys: their callers and whether they are valid. The keys themselves are not stored'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "list" -d 'List archived requests in order of their paths, one per line: start time, status, outcome, model, path'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "show" -d 'Decrypt archived requests to the standard output, oldest first'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "verify" -d 'Verify every archived request: it decrypts, is authentic, and contains what its meta.json lists'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from limits" -f -a "show" -d 'Print what a user has used of each limit, and when it becomes available again. Limits of `[[keys]]` are not included'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from limits" -f -a "set" -d 'Set limits of a user. They win over the configuration, on every callsign within one second'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from limits" -f -a "reset" -d 'Return all limits of a user to what is configured'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from ledger" -f -a "rejected" -d 'List the rows that the database refused, newest first'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from ledger" -f -a "repair" -d 'Give a rejected row its caller back'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from ledger" -f -a "drop" -d 'Delete the note about a rejected row, or about all. The rows and their sums stay, without names'
