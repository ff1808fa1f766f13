# Ruby's net/http.
require 'json'
require 'net/http'

if ARGV[0] == 'version'
  print RUBY_VERSION
  exit
end
uri = URI(ARGV[0])
request = Net::HTTP::Post.new(uri, JSON.parse(ENV.fetch('FORM_HEADERS')))
file = File.open(ARGV[1])
request.set_form([['user', 'mallory'], ['model', 'openai/whisper-1'],
                  ['file', file, { content_type: 'audio/mpeg' }], ['session_id', 'mallory']], 'multipart/form-data')
print Net::HTTP.start(uri.host, uri.port) { |http| http.request(request) }.body
