// Apache HttpClient 4, which Spring and many SDKs use, and the JDK's own client with a form that it has Apache write.
// Apache adds `Content-Transfer-Encoding` to every part.

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.http.HttpEntity;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.mime.HttpMultipartMode;
import org.apache.http.entity.mime.MultipartEntityBuilder;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;
import org.apache.http.util.VersionInfo;

public class Form {
    static HttpEntity form(File file, HttpMultipartMode mode) {
        return MultipartEntityBuilder.create()
                .setMode(mode)
                .addTextBody("user", "mallory")
                .addTextBody("model", "openai/whisper-1")
                .addBinaryBody("file", file, ContentType.create("audio/mpeg"), file.getName())
                .addTextBody("session_id", "mallory")
                .build();
    }

    /** The pairs of a flat JSON object of plain strings. */
    static Matcher headers() {
        return Pattern.compile("\"([^\"]+)\": \"([^\"]*)\"").matcher(System.getenv("FORM_HEADERS"));
    }

    public static void main(String[] args) throws Exception {
        boolean apache = args[0].equals("apache");
        if (args[1].equals("version")) {
            VersionInfo info = VersionInfo.loadVersionInfo("org.apache.http.client", Form.class.getClassLoader());
            System.out.print(apache ? info.getRelease() : String.valueOf(Runtime.version().feature()));
            return;
        }
        Matcher headers = headers();
        File file = new File(args[2]);
        if (apache) {
            HttpPost post = new HttpPost(args[1]);
            while (headers.find()) {
                post.setHeader(headers.group(1), headers.group(2));
            }
            post.setEntity(form(file, HttpMultipartMode.STRICT));
            System.out.print(EntityUtils.toString(HttpClients.createDefault().execute(post).getEntity()));
            return;
        }
        HttpEntity entity = form(file, HttpMultipartMode.BROWSER_COMPATIBLE);
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        entity.writeTo(body);
        HttpRequest.Builder post = HttpRequest.newBuilder(URI.create(args[1]));
        while (headers.find()) {
            post.header(headers.group(1), headers.group(2));
        }
        post.header("Content-Type", entity.getContentType().getValue());
        HttpRequest request = post.POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray())).build();
        System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
}
