// Apache HttpClient 4. Sends each form in a folder; ../forms_random.py describes the files.

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.mime.HttpMultipartMode;
import org.apache.http.entity.mime.MultipartEntityBuilder;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

public class Forms {
    static String text(String word) {
        return new String(Base64.getDecoder().decode(word.equals("=") ? "" : word), StandardCharsets.UTF_8);
    }

    public static void main(String[] args) throws Exception {
        List<Path> files;
        try (Stream<Path> listed = Files.list(Paths.get(args[1]))) {
            files = listed.sorted().collect(Collectors.toList());
        }
        CloseableHttpClient client = HttpClients.createDefault();
        for (Path file : files) {
            MultipartEntityBuilder form = MultipartEntityBuilder.create().setMode(HttpMultipartMode.STRICT);
            for (String line : Files.readAllLines(file)) {
                String[] words = line.split(" ");
                byte[] content = text(words[2]).getBytes(StandardCharsets.UTF_8);
                if (words[1].equals("-")) {
                    form.addTextBody(text(words[0]), text(words[2]), ContentType.TEXT_PLAIN.withCharset("UTF-8"));
                } else {
                    form.addBinaryBody(text(words[0]), content, ContentType.create("audio/mpeg"), text(words[1]));
                }
            }
            HttpPost post = new HttpPost(args[0]);
            Matcher headers = Pattern.compile("\"([^\"]+)\": \"([^\"]*)\"").matcher(System.getenv("FORM_HEADERS"));
            while (headers.find()) {
                post.setHeader(headers.group(1), headers.group(2));
            }
            post.setEntity(form.build());
            try (CloseableHttpResponse answer = client.execute(post)) {
                byte[] body = EntityUtils.toByteArray(answer.getEntity());
                System.out.println(answer.getStatusLine().getStatusCode() + " " + Base64.getEncoder().encodeToString(body));
            }
        }
    }
}
